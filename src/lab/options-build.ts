/** What an option of a device is, and the pieces the tables of options are made of. */

export type OptionGroup =
  'qemu' | 'controller' | 'namespace' | 'open-channel' | 'open-channel-20' | 'image' | 'files';

export interface OptionSpec {
  readonly name: string;
  readonly group: OptionGroup;
  /** `switch` is a number that is 0 or 1; on, off, true, false, yes and no are read as well. */
  readonly type: 'text' | 'number' | 'switch';
  /** As written; empty when there is none. */
  readonly defaultValue: string;
  /** Inclusive bounds of a number. */
  readonly min: number;
  readonly max: number;
  /** The only values possible, where bounds are not enough. */
  readonly oneOf?: readonly number[];
  /** Why the bounds are what they are, to end the sentence that refuses another value. */
  readonly why?: string;
  /** One phrase: what it does here. */
  readonly meaning: string;
}

export const U8 = 0xff;
export const U16 = 0xffff;
export const U32 = 0xffff_ffff;

/** What an option without effect says of itself. */
export const NO_EFFECT = 'accepted; has no effect here';

export function text(group: OptionGroup, name: string, meaning: string): OptionSpec {
  return { name, group, type: 'text', defaultValue: '', min: 0, max: 0, meaning };
}

export function number(
  group: OptionGroup,
  name: string,
  defaultValue: string,
  bounds: readonly [min: number, max: number],
  meaning: string,
  why?: string,
): OptionSpec {
  const [min, max] = bounds;
  const spec: OptionSpec = { name, group, type: 'number', defaultValue, min, max, meaning };
  return why === undefined ? spec : { ...spec, why };
}

export function choice(
  group: OptionGroup,
  name: string,
  defaultValue: string,
  oneOf: readonly number[],
  meaning: string,
  why: string,
): OptionSpec {
  const [min, max] = [Math.min(...oneOf), Math.max(...oneOf)];
  return { name, group, type: 'number', defaultValue, min, max, oneOf, why, meaning };
}

export function toggle(group: OptionGroup, name: string, defaultValue: string, meaning: string): OptionSpec {
  return { name, group, type: 'switch', defaultValue, min: 0, max: 1, meaning };
}

/** The options of one device or image, by name. Names are case-sensitive, as in QEMU. */
export class OptionTable {
  /** What has these options, as a sentence says it: "nvme", "the image". */
  readonly owner: string;
  /** For whom no name is near enough: "qemu-nvme's, such as serial, lver and lnum_lun". */
  readonly hint: string;
  readonly specs: readonly OptionSpec[];
  readonly #byName: ReadonlyMap<string, OptionSpec>;

  constructor(owner: string, hint: string, specs: readonly OptionSpec[]) {
    this.owner = owner;
    this.hint = hint;
    this.specs = specs;
    this.#byName = new Map(specs.map((spec) => [spec.name, spec]));
  }

  find(name: string): OptionSpec | undefined {
    return this.#byName.get(name);
  }
}

/** What values an option takes, as a phrase: "a whole number from 1 to 2047". */
export function allowedPhrase(spec: OptionSpec): string {
  if (spec.type === 'text') return 'text';
  if (spec.type === 'switch') return '0 or 1';
  const { oneOf } = spec;
  if (oneOf !== undefined) {
    if (oneOf.length === 1) return `only ${oneOf.join('')}`;
    if (oneOf.length > 4) return `a power of two from ${spec.min} to ${spec.max}`;
    return `${oneOf.slice(0, -1).join(', ')} or ${oneOf.slice(-1).join('')}`;
  }
  return `a whole number from ${spec.min} to ${spec.max}`;
}
