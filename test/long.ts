/** `npm run test:long`: what takes too long for every landing. */
export const isLong = process.env['LONG'] === '1';

/** `npm run test:matrix`: every shape of flash. */
export const isMatrix = process.env['MATRIX'] === '1';
