import { allowedPhrase, type OptionSpec } from './options-build.ts';
import { shown } from './size.ts';

/** A value that was read, or one sentence that says why it cannot be. */
export type ValueResult =
  { readonly ok: true; readonly value: number } | { readonly ok: false; readonly error: string };

const WORDS = new Map([
  ['on', 1],
  ['true', 1],
  ['yes', 1],
  ['off', 0],
  ['false', 0],
  ['no', 0],
]);

/**
 * Reads the value of a number or switch option: decimal or 0x hexadecimal, for switches also on and off.
 * A leading zero is octal to QEMU (strtoull with base 0), which nobody means; it is refused.
 */
export function readNumber(spec: OptionSpec, given: string): ValueResult {
  const trimmed = given.trim();
  const word = spec.type === 'switch' ? WORDS.get(trimmed.toLowerCase()) : undefined;
  if (word !== undefined) return { ok: true, value: word };
  if (!/^(0|[1-9]\d*|0x[\da-f]+)$/i.test(trimmed)) {
    const problem = /^0\d+$/.test(trimmed)
      ? 'is octal to QEMU because of its leading zero'
      : 'is not a whole number';
    return refuse(spec, given, problem, fallback(spec));
  }
  const value = Number(trimmed);
  const possible =
    spec.oneOf === undefined ? value >= spec.min && value <= spec.max : spec.oneOf.includes(value);
  return possible
    ? { ok: true, value }
    : refuse(spec, given, 'is not possible', nearestPossible(spec, value));
}

/** `name=value`, the value shortened; `name` alone when nothing was given. */
export function quoted(name: string, value: string): string {
  const text = shown(value);
  return text === '' ? `${name} without a value` : `${name}=${text}`;
}

function refuse(spec: OptionSpec, given: string, problem: string, works: number): ValueResult {
  const why = spec.why === undefined ? '' : ` ${spec.why}`;
  return {
    ok: false,
    error: `${quoted(spec.name, given)} ${problem}: ${allowedPhrase(spec)} is allowed${why}; ${spec.name}=${works} would work.`,
  };
}

function fallback(spec: OptionSpec): number {
  return Number(spec.defaultValue);
}

/** Options whose extremes are possible as numbers, but with which hardly anything else goes. */
const DEFAULT_IS_NEAREST = /^(lpgs_per_blk|num_chk|clba|l?num_sec|l?ws_min|l?ws_opt)$/;

function nearestPossible(spec: OptionSpec, value: number): number {
  if (DEFAULT_IS_NEAREST.test(spec.name)) return fallback(spec);
  if (spec.oneOf === undefined) return Math.min(Math.max(value, spec.min), spec.max);
  return spec.oneOf.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best));
}
