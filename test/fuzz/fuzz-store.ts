import {
  type MediaCommit,
  type MediaStore,
  StoreError,
  type TableShard,
} from '../../src/flash/media-store.ts';
import type { Random } from './random.ts';

/** A store that keeps what was committed, answers at once or soon, and can be made to fail. */
export class FuzzStore implements MediaStore {
  immediate = true;
  /** One commit, one read in so many fails. 0: none. */
  failCommitOneIn = 0;
  failReadOneIn = 0;
  /** Commits that began while another was under way: the contract forbids them. */
  overlaps = 0;
  failures = 0;
  private underWay = 0;
  private readonly random: Random;
  private readonly units = new Map<number, Uint8Array>();
  private readonly shards = new Map<number, Uint8Array>();

  constructor(random: Random) {
    this.random = random;
  }

  get unitCount(): number {
    return this.units.size;
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const fails = this.fails(this.failReadOneIn);
    const bytes = this.units.get(unit)?.slice();
    if (this.immediate) {
      if (fails) throw new StoreError('corrupt', `unit ${unit}`);
      return bytes;
    }
    const answer = fails ? Promise.reject(new StoreError('corrupt', `unit ${unit}`)) : Promise.resolve(bytes);
    // Some answers overtake others.
    return this.random.oneIn(2) ? answer : answer.then((value) => value);
  }

  loadTable(): Promise<readonly TableShard[]> {
    return Promise.resolve(Array.from(this.shards, ([shard, bytes]) => ({ shard, bytes: bytes.slice() })));
  }

  commit(commit: MediaCommit): void | Promise<void> {
    if (this.underWay > 0) this.overlaps++;
    if (this.fails(this.failCommitOneIn)) {
      const error = new StoreError('quota', 'no more room');
      if (this.immediate) throw error;
      return Promise.reject(error);
    }
    const units = commit.units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() }));
    for (const { first, count } of commit.erased) {
      for (let unit = first; unit < first + count; unit++) this.units.delete(unit);
    }
    for (const { unit, bytes } of units) this.units.set(unit, bytes);
    for (const { shard, bytes } of commit.shards) this.shards.set(shard, bytes.slice());
    if (this.immediate) return;
    this.underWay++;
    return Promise.resolve().then(() => {
      this.underWay--;
    });
  }

  private fails(oneIn: number): boolean {
    if (oneIn === 0 || !this.random.oneIn(oneIn)) return false;
    this.failures++;
    return true;
  }
}
