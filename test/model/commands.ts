import fc from 'fast-check';
import type { StoreMode } from '../fakes/fake-store.ts';
import { Bench } from './bench.ts';
import type { Dialect } from './dialect.ts';

/** The model of fast-check is inside the bench: everything is done to the model and the device at once. */
type Real<S, R> = Bench<S, R>;
type Model = Record<string, never>;

class Deed<S, R> implements fc.AsyncCommand<Model, Real<S, R>> {
  private readonly text: string;
  private readonly work: (bench: Bench<S, R>) => Promise<void>;

  constructor(text: string, work: (bench: Bench<S, R>) => Promise<void>) {
    this.text = text;
    this.work = work;
  }

  check(): boolean {
    return true;
  }

  async run(_model: Model, bench: Bench<S, R>): Promise<void> {
    await this.work(bench);
  }

  toString(): string {
    return this.text;
  }
}

/** Everything that can be done to a disk of this kind. */
function deeds<S, R>(dialect: Dialect<S, R>): fc.Arbitrary<Deed<S, R>>[] {
  const always = (text: string, work: (bench: Bench<S, R>) => Promise<void>) =>
    fc.constant(new Deed<S, R>(text, work));
  const command = dialect.recipe.map(
    (recipe) =>
      new Deed<S, R>(JSON.stringify(recipe), async (bench) => {
        await bench.submit((guess) => bench.dialect.make(recipe, guess, bench.tools));
      }),
  );
  const several = fc
    .nat(3)
    .chain((reads) =>
      fc
        .nat(2)
        .map(
          (commits) =>
            new Deed<S, R>(`release ${reads} reads ${commits} commits`, (bench) =>
              bench.release(reads, commits),
            ),
        ),
    );
  // Oftener than the others, a command: each entry of the list is as likely as any other.
  const list = [
    ...Array.from({ length: 14 }, () => command),
    several,
    several,
    several,
    cold(dialect),
    cold(dialect),
    always('survey', (bench) => bench.survey()),
    fc.tuple(fc.nat(2), fc.boolean()).map(
      ([commits, look]) =>
        new Deed<S, R>(`power cut after ${commits} commits${look ? ', survey' : ''}`, async (bench) => {
          for (let i = 0; i < commits; i++) await bench.release(4, 1);
          await bench.powerCut();
          bench.note('power cut');
          // Without it commands meet a device that has nothing in its cache.
          if (look) await bench.survey();
        }),
    ),
    always('controller reset', async (bench) => {
      await bench.resetController();
      bench.note('controller reset');
    }),
    fc.boolean().map(
      (cut) =>
        new Deed<S, R>(`shutdown, ${cut ? 'power cut meanwhile' : 'then power off'}`, async (bench) => {
          await bench.shutDown(cut);
          await bench.powerCut();
          bench.note('shutdown');
        }),
    ),
    fc.integer({ min: 1, max: 3 }).map(
      (count) =>
        new Deed<S, R>(`commit ${count} from now fails`, (bench) => {
          bench.failCommitIn(count);
          bench.note('failure');
          return Promise.resolve();
        }),
    ),
  ];
  if (dialect.hasDulbe)
    list.push(
      fc.boolean().map((on) => new Deed<S, R>(`DULBE ${on ? 'on' : 'off'}`, (bench) => bench.setDulbe(on))),
    );
  return list;
}

/**
 * Commands to one place of a disk that was just opened, so that they wait for reads of the store; then those
 * or the commits are answered first, or something ends it all.
 */
function cold<S, R>(dialect: Dialect<S, R>): fc.Arbitrary<Deed<S, R>> {
  const endings = ['reads first', 'commits first', 'controller reset', 'power cut'] as const;
  return fc.tuple(fc.array(dialect.recipe, { minLength: 2, maxLength: 4 }), fc.constantFrom(...endings)).map(
    ([recipes, ending]) =>
      new Deed<S, R>(`cold start, ${ending}: ${JSON.stringify(recipes)}`, async (bench) => {
        await bench.quiesce();
        await bench.powerCut();
        const [first] = recipes as [R];
        for (const recipe of recipes) {
          await bench.submit((guess) =>
            bench.dialect.make(bench.dialect.aim(recipe, first), guess, bench.tools),
          );
        }
        await bench.pump();
        bench.note(`cold start, ${ending}`);
        if (ending === 'controller reset') await bench.resetController();
        else if (ending === 'power cut') await bench.powerCut();
        else if (ending === 'commits first') await bench.release(0, 2);
        else await bench.release(4, 0);
      }),
  );
}

export interface RunOptions {
  readonly seed: number;
  readonly runs: number;
  /** Called with each bench at the end of a run that went well. */
  readonly onend?: (bench: { readonly deeds: ReadonlyMap<string, number>; readonly most: number }) => void;
}

/** Runs random deeds on disks of a kind; fast-check shrinks what fails, and prints the seed. */
export async function runModel<S, R>(
  make: () => Dialect<S, R>,
  mode: StoreMode,
  { seed, runs, onend }: RunOptions,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(deeds(make()), { maxCommands: 60, size: '+1' }), async (commands) => {
      const bench = await Bench.open(make(), mode);
      await fc.asyncModelRun(() => ({ model: {}, real: bench }), commands);
      await bench.survey();
      // And once more as it is found when it is opened again.
      await bench.powerCut();
      await bench.survey();
      onend?.({ deeds: bench.deeds, most: bench.linear.most });
    }),
    { seed, numRuns: runs, endOnFailure: process.env.MODEL_SHRINK === '0' },
  );
}
