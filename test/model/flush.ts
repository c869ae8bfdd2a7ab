import { IoOpcode } from '../../src/spec/opcodes.ts';
import { type Op, words, wordsOf } from './dialect.ts';

/** Flush: everything that was acknowledged before is durable, and what was done as well. */
export function flush<S>(nsid: number): Op<S> {
  return {
    label: 'flush',
    queue: 1,
    changes: true,
    send: () => ({ sqe: { opcode: IoOpcode.flush, nsid }, observe: wordsOf }),
    step: (state) => ({ state, ended: [words(0)], barrier: true }),
  };
}
