import { NvmeController, type ControllerPorts } from '../device/controller.ts';
import type { ControllerConfig } from '../device/config.ts';
import type { CommandEvent } from '../device/command-log.ts';
import { type DeviceMedia, openMedia } from '../device/media.ts';
import type { Namespace } from '../device/namespace.ts';
import type { Clock } from '../device/ports.ts';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import { blockIndex } from '../flash/address.ts';
import type { MediaStore, StoreError } from '../flash/media-store.ts';
import { SavedStateError } from '../flash/saved-fields.ts';
import { MachineError } from '../machine/errors.ts';
import type { FlashArray } from '../flash/flash-array.ts';
import { packModel } from '../trace/model-state.ts';
import type { TraceShape } from '../trace/record.ts';
import type { Telemetry } from '../device/telemetry.ts';
import { Activity, snapshotFrame } from './activity.ts';
import { LabError } from './errors.ts';
import { packRecipes, recipesIn, TARGETS_SHARD } from './targets/recipe.ts';
import { TargetSigns } from './targets/target-signs.ts';
import { type TapClock, TraceTap } from './trace-tap.ts';
import type {
  ChunkDetails,
  ChunkStateName,
  Counters,
  MapFrame,
  MapShape,
  SectorAddress,
  TargetRecipe,
  TraceFrame,
} from './types.ts';

const stateNames: Readonly<Record<number, ChunkStateName>> = {
  [ChunkState.free]: 'free',
  [ChunkState.open]: 'open',
  [ChunkState.closed]: 'closed',
  [ChunkState.offline]: 'offline',
};
const badBlockNames: Readonly<Record<number, string>> = {
  [BadBlock.good]: 'good',
  [BadBlock.factory]: 'bad',
  [BadBlock.grown]: 'grown bad',
  [BadBlock.device]: 'device reserved',
  [BadBlock.host]: 'host reserved',
};

/** The controller's clock, which remembers what it showed last: the recording need not look at it again. */
class LookedAtClock implements Clock, TapClock {
  lastMs = performance.now();
  private readonly of: Clock | undefined;

  /** @param of the machine's, once there is one; it counts as performance.now() does */
  constructor(of?: Clock) {
    this.of = of;
  }

  nowMs(): number {
    return (this.lastMs = this.of?.nowMs() ?? performance.now());
  }

  defer(task: () => void): void {
    this.of?.defer(task);
  }
}

/** Whoever is told what the device does, exchangeable while it runs. */
class TelemetrySwitch implements Telemetry {
  to: Telemetry;
  /** Told of commands as well, whoever else is: undefined for a plain disk, which has no targets. */
  private readonly signs: TargetSigns | undefined;

  constructor(to: Telemetry, signs: TargetSigns | undefined) {
    this.to = to;
    this.signs = signs;
  }

  flash(...args: Parameters<Telemetry['flash']>): void {
    this.to.flash(...args);
  }

  cells(...args: Parameters<NonNullable<Telemetry['cells']>>): void {
    this.to.cells?.(...args);
  }

  command(...args: Parameters<Telemetry['command']>): void {
    this.to.command(...args);
    this.signs?.command(...args);
  }

  refused(text: string): void {
    this.to.refused(text);
  }
}

/** One device with its medium open: what is plugged into the machine, and what the map looks at. */
export class LabDevice {
  readonly config: ControllerConfig;
  readonly activity: Activity;
  /** What the wire tells of targets; undefined for a plain disk. */
  readonly targetSigns: TargetSigns | undefined;
  private readonly media: DeviceMedia;
  private readonly namespace: Namespace;
  private readonly telemetry: TelemetrySwitch;
  private clock = new LookedAtClock();
  /** When a machine got the device, by {@link clock}: its power came on. */
  private poweredOnMs: number | undefined;
  private tap: TraceTap | undefined;
  /** Records were dropped, or none was taken yet: the next frame begins with the whole state. */
  private traceIsBehind = false;
  private targetRecipes: readonly TargetRecipe[];

  private constructor(parts: {
    config: ControllerConfig;
    media: DeviceMedia;
    namespace: Namespace;
    activity: Activity;
    telemetry: TelemetrySwitch;
    targetSigns: TargetSigns | undefined;
    recipes: readonly TargetRecipe[];
  }) {
    this.config = parts.config;
    this.media = parts.media;
    this.namespace = parts.namespace;
    this.activity = parts.activity;
    this.telemetry = parts.telemetry;
    this.targetSigns = parts.targetSigns;
    this.targetRecipes = parts.recipes;
    this.media.units.keepShards(TARGETS_SHARD, 1, () => packRecipes(this.targetRecipes));
  }

  /** Opens the medium on a store: reads its block table, no data. Rejects with StoreError. */
  static async open(config: ControllerConfig, store: MediaStore): Promise<LabDevice> {
    const ns = config.namespaces[0];
    if (!ns) throw new LabError('device', 'The device has no namespace; use namespaces=1.');
    const g = ns.kind === 'plain' ? undefined : ns.geometry;
    const activity = new Activity(g ? g.numCh * g.numLun * g.numChk * g.numPln : 0, g?.secSizeBytes ?? 512);
    const targetSigns = g && new TargetSigns(g, ns.kind === 'ocssd20');
    const telemetry = new TelemetrySwitch(activity, targetSigns);
    const media = await openMedia(config, store, telemetry);
    const [namespace] = media.namespaces;
    if (!namespace) throw new LabError('device', 'The device has no namespace; use namespaces=1.');
    const recipes = g ? recipesIn(await media.units.loadShards()) : [];
    return new LabDevice({ config, media, namespace, activity, telemetry, targetSigns, recipes });
  }

  /**
   * Makes the controller for a machine; one at a time drives a medium. With `saved` it goes on from what another
   * one's save() answered; throws a MachineError `state` when that is no good.
   */
  attach(ports: ControllerPorts, saved?: { readonly state: unknown }): NvmeController {
    // One for each machine: what a controller that is gone still defers, the next machine does not run.
    this.clock = new LookedAtClock(ports.clock);
    if (this.tap) this.tap.clock = this.clock;
    this.poweredOnMs = this.clock.nowMs();
    this.tap?.power(true);
    const controller = new NvmeController(
      this.config,
      this.media,
      { ...ports, clock: this.clock },
      this.telemetry,
    );
    try {
      if (saved) controller.restore(saved.state);
    } catch (error) {
      if (!(error instanceof SavedStateError)) throw error;
      throw new MachineError(
        'state',
        `The saved state of the device cannot be restored: ${error.message}.`,
        error,
      );
    }
    return controller;
  }

  /** Resolves when everything that was changed or counted is stored. Rejects with StoreError. */
  flush(): Promise<void> {
    const { health, units } = this.media;
    health.touch();
    return new Promise((resolve, reject) => {
      units.commit('strict', (stored) => {
        if (stored) resolve();
        else reject(units.failure as StoreError);
      });
    });
  }

  /** Told once if the store fails. */
  set onfailure(listener: ((error: StoreError) => void) | undefined) {
    this.media.units.onfailure = listener;
  }

  /** The commands that ended after `afterSequence`, oldest first: the last thousand or so are kept. */
  commandEvents(afterSequence = 0): readonly CommandEvent[] {
    return this.media.log.events(afterSequence);
  }

  /** The newest command that broke a rule. */
  lastRefused(): CommandEvent | undefined {
    return this.media.log.lastRefused();
  }

  /** The targets that the disk remembers. What is set is stored with the next commit, which this asks for. */
  get recipes(): readonly TargetRecipe[] {
    return this.targetRecipes;
  }

  set recipes(recipes: readonly TargetRecipe[]) {
    this.targetRecipes = recipes;
    const { units } = this.media;
    units.touchShard(TARGETS_SHARD);
    // A failure is told by way of `onfailure`.
    units.commit('relaxed', () => {});
  }

  // The recording ------------------------------------------------------------------------------------

  /** The record of what the device does, while {@link watch} is on. */
  get trace(): TraceTap | undefined {
    return this.tap;
  }

  get traceShape(): TraceShape {
    const ns = this.namespace;
    const { numPln, secsPerPg } = this.shape;
    const wsOpt =
      ns.kind === 'plain' ? 0 : ns.kind === 'ocssd20' ? ns.config.writeRules.wsOpt : numPln * secsPerPg;
    return { ...this.shape, wsOpt };
  }

  /** Starts or ends the recording of what the device does. What was written before is of unknown kind. */
  watch(on: boolean): void {
    if (on === (this.tap !== undefined)) return;
    if (!on) {
      this.tap = undefined;
      this.telemetry.to = this.activity;
      return;
    }
    const table = this.namespace.kind === 'plain' ? undefined : this.namespace.medium.table;
    this.tap = new TraceTap(this.traceShape, table, this.activity, this.clock);
    this.telemetry.to = this.tap;
    this.traceIsBehind = true;
    if (this.poweredOnMs !== undefined) this.tap.power(true, this.poweredOnMs);
  }

  /**
   * What was recorded since the last call. When more came than is kept for who fetches it, and at first, the
   * frame has the whole state instead, and `lost` says whether records are missing.
   */
  takeTrace(): TraceFrame | undefined {
    const { tap } = this;
    if (!tap) return undefined;
    const lost = tap.overflowed;
    if (lost || this.traceIsBehind) {
      tap.drop();
      this.traceIsBehind = false;
      return { state: packModel(tap.model), lost };
    }
    const segment = tap.take();
    return segment && { segment, lost: false };
  }

  get shape(): MapShape {
    const ns = this.namespace;
    if (ns.kind !== 'plain') return { kind: ns.kind, ...ns.config.geometry };
    const none = { numCh: 0, numLun: 0, numPln: 0, numChk: 0, numPg: 0, secsPerPg: 0, oobSizeBytes: 0 };
    return { kind: 'plain', ...none, secSizeBytes: ns.config.secSizeBytes };
  }

  snapshot(): MapFrame | undefined {
    return this.namespace.kind !== 'plain' ? snapshotFrame(this.namespace.medium.table) : undefined;
  }

  takeFrame(): { map: MapFrame | undefined; counters: Counters } {
    const ns = this.namespace;
    return {
      map: ns.kind !== 'plain' ? this.activity.takeFrame(ns.medium.table) : undefined,
      counters: this.counters(),
    };
  }

  counters(): Counters {
    return this.activity.counters(this.media.units.pendingCommits);
  }

  /** Throws LabError for an address outside the device. */
  chunkDetails(ch: number, lun: number, chk: number): ChunkDetails {
    const flash = this.flash();
    const g = flash.geometry;
    checkRange({ ch, lun, chk, pln: 0, pg: 0, sec: 0 }, g);
    const planes = Array.from({ length: g.numPln }, (_, pln) => {
      const block = blockIndex(g, ch, lun, chk, pln);
      return {
        pln,
        state: stateNames[flash.table.state[block] ?? 0] ?? 'free',
        writtenSecs: flash.table.written(block),
        secsPerBlk: g.secsPerBlk,
        eraseCount: flash.table.eraseCount[block] ?? 0,
        badBlock: badBlockNames[flash.table.badBlock[block] ?? 0] ?? 'good',
        ...this.chunkOf20(block),
      };
    });
    return { ch, lun, chk, planes };
  }

  /** What only 2.0 knows of a chunk. It has no bad-block table: a chunk that is offline is what 1.2 calls grown bad. */
  private chunkOf20(block: number): Partial<ChunkDetails['planes'][number]> {
    if (this.namespace.kind !== 'ocssd20') return {};
    const { medium } = this.namespace;
    const isOffline = medium.table.state[block] === ChunkState.offline;
    return {
      badBlock: isOffline ? 'grown bad' : 'good',
      readableSecs: medium.readableSecs(block),
      wearIndex: medium.wear.index(block),
    };
  }

  /** A sector's stored bytes, copied; undefined when it is not written. */
  async sectorBytes(a: SectorAddress): Promise<{ data: Uint8Array; oob: Uint8Array } | undefined> {
    const flash = this.flash();
    const g = flash.geometry;
    checkRange(a, g);
    const block = blockIndex(g, a.ch, a.lun, a.chk, a.pln);
    const sec = a.pg * g.secsPerPg + a.sec;
    for (;;) {
      if (!flash.isWritten(block, sec)) return undefined;
      const bytes = flash.units.get(flash.unitOf(block, sec));
      if (bytes instanceof Promise) {
        await bytes;
        continue;
      }
      if (!bytes) return undefined;
      const slot = a.pln * g.secsPerPg + a.sec;
      const oobAt = g.unitOobOffset + slot * g.oobSizeBytes;
      return {
        data: bytes.slice(slot * g.secSizeBytes, (slot + 1) * g.secSizeBytes),
        oob: bytes.slice(oobAt, oobAt + g.oobSizeBytes),
      };
    }
  }

  private flash(): FlashArray {
    if (this.namespace.kind === 'plain') throw new LabError('device', 'A plain disk has no chunks to show.');
    return this.namespace.medium.array;
  }
}

function checkRange(
  a: SectorAddress,
  g: { numCh: number; numLun: number; numPln: number; numChk: number; numPg: number; secsPerPg: number },
): void {
  const within = (value: number, count: number) => Number.isInteger(value) && value >= 0 && value < count;
  if (
    within(a.ch, g.numCh) &&
    within(a.lun, g.numLun) &&
    within(a.pln, g.numPln) &&
    within(a.chk, g.numChk) &&
    within(a.pg, g.numPg) &&
    within(a.sec, g.secsPerPg)
  )
    return;
  throw new LabError(
    'device',
    `There is no ch ${a.ch} lun ${a.lun} pln ${a.pln} chk ${a.chk} pg ${a.pg} sec ${a.sec} on this device of ${g.numCh} × ${g.numLun} × ${g.numPln} × ${g.numChk} × ${g.numPg} × ${g.secsPerPg}.`,
  );
}
