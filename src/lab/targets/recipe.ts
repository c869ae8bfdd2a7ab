/**
 * What it takes to make a target again. Linux forgets targets when the power goes, and pblk finds its data only if
 * the target is created over the same LUNs; so the disk remembers them, in a record of its own (docs/disk-format.md).
 *
 * The record comes from storage, perhaps with a disk that somebody else has made: what does not check is ignored, and
 * a command is made of checked parts only.
 */
import { DEVICE_SHARD, type TableShard } from '../../flash/media-store.ts';
import { MAX_OP, MIN_OP } from '../report-lines.ts';
import type { TargetRecipe } from '../types.ts';

/** Beside the counters of SMART, below the records of the first namespace. */
export const TARGETS_SHARD = DEVICE_SHARD + 1;
export const MAX_RECIPES = 16;
/** Channels are a byte in Linux 5.10's addresses, and so are LUNs (struct ppa_addr, lightnvm.h). */
export const MAX_LUNS = 65_536;

const VERSION = 1;
const HEAD_BYTES = 8;
const RECORD_BYTES = 64;
/** DISK_NAME_LEN with its NUL, genhd.h. */
const NAME_BYTES = 32;
const TYPE_BYTES = 16;
const NUMBERS_AT = NAME_BYTES + TYPE_BYTES;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,30}$/;

/** Whether a recipe may be kept, and its command run. */
export function isRecipe({ name, type, begin, end, op }: TargetRecipe): boolean {
  const isLun = (lun: number) => Number.isInteger(lun) && lun >= 0 && lun < MAX_LUNS;
  const isOp = op === undefined || (Number.isInteger(op) && op >= MIN_OP && op <= MAX_OP);
  return NAME.test(name) && type === 'pblk' && isLun(begin) && isLun(end) && begin <= end && isOp;
}

/**
 * The command that makes the target again, over what is there: never with `--factory`, which would make a new one.
 * Throws RangeError for a recipe that does not check.
 */
export function createCommand(recipe: TargetRecipe): string {
  if (!isRecipe(recipe)) throw new RangeError('not the recipe of a target');
  const { name, type, begin, end, op } = recipe;
  const line = `nvme lnvm create -d nvme0n1 -n ${name} -t ${type} -b ${begin} -e ${end}`;
  return op === undefined ? line : `${line} -o ${op}`;
}

/** A target was made: it takes the place of those of its name, and of those whose LUNs it has taken. */
export function learn(recipes: readonly TargetRecipe[], made: TargetRecipe): readonly TargetRecipe[] {
  const same = recipes.find(({ name }) => name === made.name);
  if (same?.type === made.type && same.begin === made.begin && same.end === made.end && same.op === made.op)
    return recipes;
  const others = recipes.filter(
    ({ name, begin, end }) => name !== made.name && (end < made.begin || begin > made.end),
  );
  return [...others, made].slice(-MAX_RECIPES);
}

/** A target was removed. The same list when it was not in it. */
export function forget(recipes: readonly TargetRecipe[], gone: string): readonly TargetRecipe[] {
  return recipes.some(({ name }) => name === gone) ? recipes.filter(({ name }) => name !== gone) : recipes;
}

/** The record: version and count, then 64 bytes a target; see docs/disk-format.md. */
export function packRecipes(recipes: readonly TargetRecipe[]): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + recipes.length * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  view.setUint32(4, recipes.length, true);
  const encoder = new TextEncoder();
  for (const [i, { name, type, begin, end, op }] of recipes.entries()) {
    const at = HEAD_BYTES + i * RECORD_BYTES;
    encoder.encodeInto(name, bytes.subarray(at, at + NAME_BYTES - 1));
    encoder.encodeInto(type, bytes.subarray(at + NAME_BYTES, at + NUMBERS_AT - 1));
    [begin, end, op ?? 0].forEach((value, n) => view.setUint32(at + NUMBERS_AT + 4 * n, value, true));
  }
  return bytes;
}

/** What of a record checks; of another version, or another length than it says, nothing. */
export function unpackRecipes(bytes: Uint8Array | undefined): readonly TargetRecipe[] {
  if (bytes === undefined || bytes.length < HEAD_BYTES) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(4, true);
  const isWhole = count <= MAX_RECIPES && bytes.length === HEAD_BYTES + count * RECORD_BYTES;
  if (view.getUint32(0, true) !== VERSION || !isWhole) return [];
  let recipes: readonly TargetRecipe[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += RECORD_BYTES) {
    const number = (n: number) => view.getUint32(at + NUMBERS_AT + 4 * n, true);
    const op = number(2);
    const recipe = {
      name: textOf(bytes.subarray(at, at + NAME_BYTES)),
      type: textOf(bytes.subarray(at + NAME_BYTES, at + NUMBERS_AT)),
      begin: number(0),
      end: number(1),
      ...(op === 0 ? {} : { op }),
    };
    // By the same way as they came in: two of one name, or over the same LUNs, cannot both be.
    if (isRecipe(recipe)) recipes = learn(recipes, recipe);
  }
  return recipes;
}

/** The recipes that a disk has. */
export function recipesIn(shards: readonly TableShard[]): readonly TargetRecipe[] {
  return unpackRecipes(shards.find(({ shard }) => shard === TARGETS_SHARD)?.bytes);
}

/** ASCII up to a NUL; '' when there is none, or more behind it. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  if (end < 0 || bytes.subarray(end).some((byte) => byte !== 0)) return '';
  return String.fromCharCode(...bytes.subarray(0, end));
}
