/** How a command goes on from a state: one step at a time, each of which happens at one moment. */
export interface StepOutcome<S> {
  readonly state: S;
  /** What the next step has to know. */
  readonly memo?: string;
  /** Set when the command is over: every answer that it may give. */
  readonly ended?: readonly string[];
  /** Everything before this moment is durable once the command is acknowledged. */
  readonly barrier?: boolean;
}

export interface Steps<S> {
  readonly label: string;
  step(state: S, stage: number, memo: string): StepOutcome<S>;
}

/** Where one command is. */
interface Progress {
  readonly id: number;
  readonly stage: number;
  readonly memo: string;
  readonly ended: readonly string[] | undefined;
  /** Position in the history of what it changed last; -1: nothing. */
  readonly at: number;
}

/** One way in which everything can have happened so far. */
interface World {
  /** States that a crash may find, by number; the last is the state now. */
  readonly history: readonly number[];
  readonly pending: readonly Progress[];
}

const MAX_WORLDS = 50_000;

/**
 * Commands that overlap may take effect in any order, each between its submission and its completion. This keeps
 * every order that agrees with what was observed (as in checking linearizability): when a command completes, the
 * worlds are kept in which it can have completed so. None left: the device did something that no order explains.
 *
 * Durability goes in the same order. An acknowledged change can no longer be lost, and nothing before it; what
 * came after it may be lost from any point on.
 */
export class Linear<S> {
  private worlds: World[];
  private readonly states: S[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly steps = new Map<number, Steps<S>>();
  private nextId = 1;
  /** The most worlds there were at once, for the record. */
  most = 1;

  constructor(initial: S) {
    this.worlds = [{ history: [this.numberOf(initial)], pending: [] }];
  }

  private numberOf(state: S): number {
    const key = JSON.stringify(state);
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.states.push(state) - 1;
      this.numbers.set(key, number);
    }
    return number;
  }

  private now(world: World): S {
    return this.states[world.history[world.history.length - 1] as number] as S;
  }

  get worldCount(): number {
    return this.worlds.length;
  }

  /** A state that the device may be in when all that was asked is done: for thinking up the next command. */
  guess(): S {
    const world = this.worlds[0] as World;
    let state = this.now(world);
    for (const { id, stage, memo, ended } of world.pending) {
      let over = ended !== undefined;
      let at = stage;
      let note = memo;
      while (!over) {
        const outcome = this.stepsOf(id).step(state, at++, note);
        state = outcome.state;
        note = outcome.memo ?? '';
        over = outcome.ended !== undefined;
      }
    }
    return state;
  }

  private stepsOf(id: number): Steps<S> {
    return this.steps.get(id) as Steps<S>;
  }

  // What happens -------------------------------------------------------------------------------------

  submit(steps: Steps<S>): number {
    const id = this.nextId++;
    this.steps.set(id, steps);
    const begin: Progress = { id, stage: 0, memo: '', ended: undefined, at: -1 };
    this.worlds = this.worlds.map(({ history, pending }) => ({ history, pending: [...pending, begin] }));
    return id;
  }

  /** A command was answered. Throws when no world explains the answer. */
  complete(id: number, observed: string): void {
    const kept: World[] = [];
    const expected = new Set<string>();
    this.explore((world) => {
      const progress = world.pending.find((p) => p.id === id) as Progress;
      if (!progress.ended) return true;
      for (const answer of progress.ended) expected.add(answer);
      if (progress.ended.includes(observed)) kept.push(acknowledged(world, progress));
      return false;
    });
    const { label } = this.stepsOf(id);
    if (kept.length === 0)
      throw new Error(`${label}\n  answered ${observed}\n  expected ${[...expected].join('\n        or ')}`);
    this.steps.delete(id);
    this.keep(kept);
  }

  /** A command could not be made durable: it may have changed things or not, and none of it is promised. */
  failed(id: number): void {
    const without = (world: World): World => ({
      ...world,
      pending: world.pending.filter((p) => p.id !== id),
    });
    const kept = this.worlds.map(without);
    this.explore((world) => {
      const progress = world.pending.find((p) => p.id === id) as Progress;
      // Others that have moved on before it matter only if it has moved itself.
      if (progress.stage > 0) kept.push(without(world));
      return !progress.ended;
    });
    this.steps.delete(id);
    this.keep(kept);
  }

  /** A controller reset: what is under way has happened by now, in part perhaps, or never will. */
  reset(): void {
    const kept: World[] = [];
    this.explore((world) => {
      kept.push({ history: world.history, pending: [] });
      return true;
    });
    this.steps.clear();
    this.keep(kept);
  }

  /** The power went. `after` makes of a state what is found when it is back. */
  crash(after: (state: S) => S): void {
    const found = new Set<number>();
    this.explore((world) => {
      for (const number of world.history) found.add(this.numberOf(after(this.states[number] as S)));
      return true;
    });
    this.steps.clear();
    this.keep(Array.from(found, (number) => ({ history: [number], pending: [] })));
  }

  /** Something of the state was looked at while nothing was under way. */
  observe(label: string, look: (state: S) => string, observed: string): void {
    const kept = this.worlds.filter((world) => look(this.now(world)) === observed);
    if (kept.length === 0) {
      const expected = new Set(this.worlds.map((world) => look(this.now(world))));
      throw new Error(`${label}\n  is ${observed}\n  expected ${[...expected].join('\n        or ')}`);
    }
    this.keep(kept);
  }

  /** Puts every state into another form, while nothing is under way. */
  rename(to: (state: S) => S): void {
    const history = (numbers: readonly number[]) =>
      numbers.map((number) => this.numberOf(to(this.states[number] as S)));
    this.keep(this.worlds.map((world) => ({ ...world, history: history(world.history) })));
  }

  /** All answers that a command could give if it were carried out alone, now. */
  answers(steps: Steps<S>): Set<string> {
    const answers = new Set<string>();
    for (const world of this.worlds) {
      let state = this.now(world);
      let memo = '';
      for (let stage = 0; ; stage++) {
        const outcome = steps.step(state, stage, memo);
        state = outcome.state;
        memo = outcome.memo ?? '';
        if (!outcome.ended) continue;
        for (const answer of outcome.ended) answers.add(answer);
        break;
      }
    }
    return answers;
  }

  // Worlds -------------------------------------------------------------------------------------------

  /** Visits every world that can follow by steps of pending commands; `visit` says whether to go on from it. */
  private explore(visit: (world: World) => boolean): void {
    const seen = new Set(this.worlds.map(keyOf));
    const open = this.worlds.slice();
    for (let world = open.pop(); world; world = open.pop()) {
      if (!visit(world)) continue;
      for (const progress of world.pending) {
        if (progress.ended) continue;
        const next = this.advance(world, progress);
        const key = keyOf(next);
        if (seen.has(key)) continue;
        if (seen.size > MAX_WORLDS) throw new Error('the model has lost itself in possibilities');
        seen.add(key);
        open.push(next);
      }
    }
  }

  private advance(world: World, progress: Progress): World {
    const { id, stage, memo } = progress;
    const outcome = this.stepsOf(id).step(this.now(world), stage, memo);
    const number = this.numberOf(outcome.state);
    const last = world.history.length - 1;
    const changed = number !== world.history[last];
    const history = changed ? [...world.history, number] : world.history;
    const at = changed || outcome.barrier === true ? history.length - 1 : progress.at;
    const next = { id, stage: stage + 1, memo: outcome.memo ?? '', ended: outcome.ended, at };
    return { history, pending: world.pending.map((p) => (p.id === id ? next : p)) };
  }

  private keep(worlds: World[]): void {
    const unique = new Map<string, World>();
    for (const world of worlds) unique.set(keyOf(world), world);
    this.worlds = [...unique.values()];
    this.most = Math.max(this.most, this.worlds.length);
  }
}

function keyOf({ history, pending }: World): string {
  const parts = pending.map((p) => `${p.id}:${p.stage}:${p.at}:${p.memo}:${p.ended?.join() ?? ''}`);
  return `${history.join()};${parts.join(';')}`;
}

/** The world once the command's answer has been given: what it changed, and all before, cannot be lost any more. */
function acknowledged({ history, pending }: World, { id, at }: Progress): World {
  const cut = Math.max(0, at);
  return {
    history: history.slice(cut),
    pending: pending
      .filter((p) => p.id !== id)
      .map((p) => ({ ...p, at: p.at < 0 ? -1 : Math.max(0, p.at - cut) })),
  };
}
