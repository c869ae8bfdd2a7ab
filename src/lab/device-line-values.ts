/** What the options of a line say, each by itself. */
import { isOption20 } from './device-line-dialect.ts';
import type { GivenOption } from './device-line-words.ts';
import { nearestName } from './options-nearest.ts';
import { quoted, readNumber } from './options-value.ts';
import { NVME_TABLE, type OptionSpec, type OptionTable } from './options.ts';
import { shown } from './size.ts';
import type { DeviceLineError, OptionRow } from './types.ts';

/** A refusal: one sentence, and the option at fault if one is. */
export function fail(error: string, option?: string): DeviceLineError {
  return option === undefined ? { ok: false, error } : { ok: false, option, error };
}

/** Every option's value: what was given, or the default. */
export class Values {
  readonly table: OptionTable;
  readonly #given = new Map<string, string>();
  readonly #numbers = new Map<string, number>();

  constructor(table: OptionTable) {
    this.table = table;
  }

  set(spec: OptionSpec, text: string, value: number): void {
    this.#given.set(spec.name, text);
    this.#numbers.set(spec.name, value);
  }

  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string): string {
    return this.#given.get(name) ?? this.table.find(name)?.defaultValue ?? '';
  }

  /** 0 for an option that this dialect does not have. */
  number(name: string): number {
    return this.#numbers.get(name) ?? Number(this.table.find(name)?.defaultValue ?? 0);
  }

  /** `name=value` as it was given, or as it is by default. */
  quoted(name: string): string {
    return quoted(name, this.text(name));
  }

  /** Every option with its value, its default and what it does. */
  rows(): OptionRow[] {
    return this.table.specs.map((spec) => ({
      name: spec.name,
      value: this.text(spec.name),
      defaultValue: spec.defaultValue,
      given: this.isGiven(spec.name),
      meaning: spec.meaning,
    }));
  }
}

export type ReadResult =
  { readonly ok: true; readonly values: Values; readonly notes: readonly string[] } | DeviceLineError;

/** Reads every option that was given, in order; the last of equal ones counts. */
export function readOptions(options: readonly GivenOption[], table: OptionTable): ReadResult {
  const values = new Values(table);
  const times = new Map<string, number>();
  for (const { name, value } of options) {
    const spec = table.find(name);
    if (spec === undefined) return unknownOption(name, value, table);
    times.set(name, (times.get(name) ?? 0) + 1);
    // A name alone is "on", as in QEMU.
    const text = value ?? (spec.type === 'switch' ? 'on' : '');
    if (spec.type === 'text') {
      values.set(spec, shown(text), 0);
      continue;
    }
    const number = readNumber(spec, text);
    if (!number.ok) return fail(number.error, name);
    values.set(spec, shown(text), number.value);
  }
  const serial = table.find('serial');
  if (serial !== undefined) {
    const given = options.findLast(({ name }) => name === 'serial')?.value ?? '';
    const wrongSerial = checkSerial(given, values.isGiven('serial'), serial.defaultValue);
    if (wrongSerial !== undefined) return fail(wrongSerial, 'serial');
  }
  const notes = [...times]
    .filter(([, count]) => count > 1)
    .map(
      ([name, count]) =>
        `${name} was given ${count} times; the last one, ${values.quoted(name)}, counts, as in QEMU.`,
    );
  return { ok: true, values, notes };
}

function checkSerial(serial: string, given: boolean, byDefault: string): string | undefined {
  if (serial === '' && !given && byDefault !== '') return undefined;
  if (serial === '')
    return `serial ${given ? 'has no value' : 'is missing'}, and QEMU does not start without it: 1 to 20 ASCII characters are allowed, and serial=deadbeef would work.`;
  if (!/^[\x20-\x7e]+$/.test(serial))
    return `${quoted('serial', serial)} is not printable ASCII, which is all that Identify Controller carries: serial=deadbeef would work.`;
  if (serial.length > 20)
    return `${quoted('serial', serial)} has ${serial.length} characters, but Identify Controller carries 1 to 20: serial=${serial.slice(0, 20).trimEnd()} would work.`;
  return undefined;
}

function unknownOption(name: string, value: string | undefined, table: OptionTable): DeviceLineError {
  const option = shown(name);
  if (table === NVME_TABLE && isOption20(name)) {
    return fail(
      `${option} is an option of open-channel 2.0, but lver=1 is 1.2, whose geometry comes from lnum_lun, lnum_pln, lsecs_per_pg and lpgs_per_blk: leave it out, or leave lver out.`,
      option,
    );
  }
  if (option === '') {
    return fail(
      `${quoted('', value ?? '')} has no name in front of it: every part is name=value, as in lnum_lun=4.`,
    );
  }
  const nearest = nearestName(
    name,
    table.specs.map((spec) => spec.name),
  );
  const given = value === undefined ? option : quoted(option, value);
  const hint =
    nearest === undefined
      ? `leave it out; its options are ${table.hint}`
      : `write ${nearest} if that is meant, or leave it out`;
  return fail(`${given} is an option that ${table.owner} does not have: ${hint}.`, option);
}
