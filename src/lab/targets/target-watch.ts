import type { ExecResult, RememberedTarget, TargetRecipe } from '../types.ts';
import { type GuestLook, type LiveTarget, LOOK_COMMAND, parseLook } from './guest-look.ts';
import { createCommand, forget, isRecipe, learn } from './recipe.ts';
import { type ScannedRange, scannedRanges, type TargetSigns } from './target-signs.ts';

/** Targets of a guest by their names: the inodes of their sysfs directories. */
export type SavedTargets = readonly (readonly [name: string, inode: number])[];

/** Where the recipes are kept: the open disk. */
export interface RecipeBook {
  recipes: readonly TargetRecipe[];
}

export interface TargetWatchParts {
  readonly signs: TargetSigns;
  readonly book: RecipeBook;
  /** Runs a command in the guest, where nobody sees it. */
  exec(command: string, options: { timeoutMs: number }): Promise<ExecResult>;
  /** Which `-o` makes a target of that size over those LUNs. */
  overProvisioning(begin: number, end: number, sizeBytes: number): number | undefined;
  /**
   * The guest was not booted but goes on, with targets that it may have made before: with these, where that is known. To
   * look would take it longer than to answer its reader.
   */
  readonly goesOn?: { readonly targets?: SavedTargets } | undefined;
}

/** A look waits so long for the next sign; one at a time, so that a burst is one. */
const SETTLE_MS = 300;
/** While there is a target, writes are over when none came for so long. */
const QUIET_MS = 500;
/** A create that recovers a large disk reads for long: looks become rare, and end. */
const SLOWEST_LOOK_MS = 4_000;
const MAX_LOOKS_IN_A_ROW = 100;
const LOOK_TIMEOUT_MS = 20_000;

/**
 * Knows which targets the guest has, and keeps the book of recipes. It looks when the wire gives a sign (see
 * {@link TargetSigns}), and else costs nothing: after LUNs were asked about, until no `nvme` runs; and, while there is
 * a target, when writes have stopped, for the last that a target does is to fill its open line up.
 *
 * What says how a target was made is the kernel, not what was typed: its name and number of LUNs are in sysfs, which
 * LUNs they are the scan of its create has told, and its over-provisioning is that with which a target has this size.
 */
export class TargetWatch {
  /** The list of {@link remembered} has changed. */
  onchange: (() => void) | undefined;
  private readonly parts: TargetWatchParts;
  /** Targets of the guest by their names: the inode of their sysfs directories. */
  private readonly live = new Map<string, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looking: Promise<void> | undefined;
  /** LUNs were asked about since the last look began. */
  private again = false;
  private looks = 0;
  private writesSeen = 0;
  private stopped = false;
  /** Until the first look at a guest that goes on: its targets of the book are as they were. */
  private adopts: boolean;

  constructor(parts: TargetWatchParts) {
    this.parts = parts;
    const { goesOn, book } = parts;
    for (const [name, inode] of goesOn?.targets ?? []) this.live.set(name, inode);
    this.adopts = goesOn !== undefined && goesOn.targets === undefined && book.recipes.length > 0;
  }

  /** Begins to listen. The guest must be able to run commands. */
  start(): void {
    const { signs } = this.parts;
    if (this.adopts) this.lookIn(0);
    signs.onscan = () => this.scanned();
    signs.onwrite = () => this.wrote();
    if (signs.scanned.length > 0) this.scanned();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.parts.signs.onscan = this.parts.signs.onwrite = undefined;
  }

  get remembered(): readonly RememberedTarget[] {
    return this.parts.book.recipes.map((recipe) => ({
      ...recipe,
      exists: this.adopts || this.live.has(recipe.name),
      command: createCommand(recipe),
    }));
  }

  /** Looks now where it would have looked soon: the guest is about to go. */
  async settle(): Promise<void> {
    await this.looking;
    if (this.timer !== undefined) await this.lookNow();
  }

  /** The targets of the guest at this moment; undefined where a look would be needed to know. */
  save(): SavedTargets | undefined {
    const isKnown =
      this.timer === undefined && !this.looking && !this.adopts && this.parts.signs.scanned.length === 0;
    return isKnown ? [...this.live] : undefined;
  }

  /** The disk shall not remember a target any more. */
  forget(name: string): void {
    this.keep(forget(this.parts.book.recipes, name));
  }

  private scanned(): void {
    this.again = true;
    this.looks = 0;
    this.lookIn(SETTLE_MS);
  }

  private wrote(): void {
    if (this.timer !== undefined || this.looking || this.live.size === 0) return;
    this.writesSeen = this.parts.signs.writes;
    this.timer = setTimeout(() => this.whenQuiet(), QUIET_MS);
  }

  private whenQuiet(): void {
    this.timer = undefined;
    // Writes go on: one timer more each half second, whatever their number.
    if (this.parts.signs.writes !== this.writesSeen) this.wrote();
    else this.lookIn(0);
  }

  private lookIn(ms: number): void {
    if (this.stopped || this.looking) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.lookNow(), ms);
  }

  private lookNow(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    return (this.looking = this.look());
  }

  private async look(): Promise<void> {
    const { signs } = this.parts;
    this.again = false;
    const writes = signs.writes;
    const known = signs.scanned.length;
    let look: GuestLook | undefined;
    try {
      const { status, output } = await this.parts.exec(LOOK_COMMAND, { timeoutMs: LOOK_TIMEOUT_MS });
      if (status === 0) look = parseLook(output);
    } catch {
      // The power went, or the guest hangs, which others tell.
    }
    this.looking = undefined;
    if (this.stopped) return;
    if (!look) {
      if (++this.looks < MAX_LOOKS_IN_A_ROW) this.lookIn(SLOWEST_LOOK_MS);
      return;
    }
    this.take(look);
    // Nothing is in the making: what was asked about until then belongs to targets that are there, or to none.
    if (!look.isBusy) signs.scanned.splice(0, known);
    if (this.again || (look.isBusy && ++this.looks < MAX_LOOKS_IN_A_ROW))
      this.lookIn(Math.min(SLOWEST_LOOK_MS, SETTLE_MS * (1 + this.looks)));
    else if (signs.writes !== writes) this.wrote();
  }

  private take({ hasDevice, targets }: GuestLook): void {
    const before = this.parts.book.recipes;
    let recipes = before;
    let changed = false;
    for (const name of [...this.live.keys()]) {
      if (targets.some((target) => target.name === name)) continue;
      this.live.delete(name);
      changed = true;
      // Without the device it was not removed: it went with it, and may come again with it.
      if (hasDevice) recipes = forget(recipes, name);
    }
    // The newest first: the last LUNs that were asked about are its own.
    const fresh = targets.filter(({ name, inode }) => this.live.get(name) !== inode);
    fresh.sort((a, b) => b.inode - a.inode);
    let until = this.parts.signs.scanned.length;
    const made: TargetRecipe[] = [];
    const known = new Set(this.adopts ? before.map(({ name }) => name) : []);
    changed ||= this.adopts;
    this.adopts = false;
    for (const target of fresh) {
      this.live.set(target.name, target.inode);
      changed = true;
      if (known.has(target.name)) continue;
      // Of what cannot be told nothing is remembered: a target over other LUNs would destroy data.
      recipes = forget(recipes, target.name);
      const range = this.rangeOf(target, until, before);
      const recipe = range && this.recipeOf(target, range);
      if (!recipe) continue;
      // While an `nvme` runs they stay noted. One of the same name that comes next must not be taken for this one again.
      this.parts.signs.took(range.at, target.luns);
      until = range.at;
      made.unshift(recipe);
    }
    for (const recipe of made) recipes = learn(recipes, recipe);
    if (!sameRecipes(before, recipes)) this.parts.book.recipes = recipes;
    if (changed) this.onchange?.();
  }

  /** The LUNs of a target that has just been found: as it had them before, if they are among those asked about. */
  private rangeOf(
    { name, luns }: LiveTarget,
    until: number,
    recipes: readonly TargetRecipe[],
  ): ScannedRange | undefined {
    const as = recipes.find((recipe) => recipe.name === name);
    let last: ScannedRange | undefined;
    for (const range of scannedRanges(this.parts.signs.scanned, luns, until)) {
      last ??= range;
      if (range.begin === as?.begin && range.end === as.end) return range;
    }
    return last;
  }

  private recipeOf(
    { name, sectors }: LiveTarget,
    { begin, end }: { readonly begin: number; readonly end: number },
  ): TargetRecipe | undefined {
    const op = this.parts.overProvisioning(begin, end, sectors * 512);
    const recipe = { name, type: 'pblk', begin, end, ...(op === undefined ? {} : { op }) };
    return isRecipe(recipe) ? recipe : undefined;
  }

  private keep(recipes: readonly TargetRecipe[]): void {
    if (recipes === this.parts.book.recipes) return;
    this.parts.book.recipes = recipes;
    this.onchange?.();
  }
}

/** What was created again as it was is nothing new, and no commit. */
function sameRecipes(a: readonly TargetRecipe[], b: readonly TargetRecipe[]): boolean {
  const text = (recipes: readonly TargetRecipe[]) => recipes.map(createCommand).sort().join('\n');
  return text(a) === text(b);
}
