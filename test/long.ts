/** `npm run test:long`: what takes too long for every landing. */
export const isLong = process.env['LONG'] === '1';
