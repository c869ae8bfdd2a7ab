import type { ControllerConfig, NamespaceConfig } from '../../src/device/config.ts';
import { NvmeController } from '../../src/device/controller.ts';
import { CommandLog } from '../../src/device/command-log.ts';
import { type DeviceMedia, openMedia } from '../../src/device/media.ts';
import type { Namespace } from '../../src/device/namespace.ts';
import type { Geometry } from '../../src/flash/geometry.ts';
import type { ChunkFlash } from '../../src/flash/chunk-flash.ts';
import type { MediaStore } from '../../src/flash/media-store.ts';
import type { OpenChannelFlash } from '../../src/flash/open-channel.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeInterruptLine } from '../fakes/fake-interrupt-line.ts';
import { FakeMemory } from '../fakes/fake-memory.ts';
import { FakeStore, settle, type StoreMode } from '../fakes/fake-store.ts';
import { FakeTelemetry } from '../fakes/fake-telemetry.ts';
import { type DriverOptions, NvmeDriver } from './driver.ts';

/** 1 channel × 4 LUNs × 2 planes × 8 chunks × 4 pages × 4 sectors: 1,024 sectors of 4 KiB. */
export const SMALL_GEOMETRY: Geometry = {
  numCh: 1,
  numLun: 4,
  numPln: 2,
  numChk: 8,
  numPg: 4,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
};

export function openChannel(
  geometry: Partial<Geometry> = {},
  more: Partial<Extract<NamespaceConfig, { kind: 'ocssd12' }>> = {},
): NamespaceConfig {
  return {
    kind: 'ocssd12',
    geometry: { ...SMALL_GEOMETRY, ...geometry },
    maxSecsPerRq: 64,
    mediaType: 0,
    flashMediaType: 0,
    failWriteEverySecs: 0,
    failWriteSecs: 0,
    badBlockEvery: 0,
    ...more,
  };
}

/** 2 groups × 2 PUs × 8 chunks × 64 sectors; ws_min 4, ws_opt 8, mw_cunits 16. */
export const SMALL_CHUNK_GEOMETRY: Geometry = {
  numCh: 2,
  numLun: 2,
  numPln: 1,
  numChk: 8,
  numPg: 8,
  secsPerPg: 8,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
};

/** An open-channel 2.0 namespace. */
export function chunkDisk(
  geometry: Partial<Geometry> = {},
  more: Partial<Extract<NamespaceConfig, { kind: 'ocssd20' }>> = {},
): NamespaceConfig {
  return {
    kind: 'ocssd20',
    geometry: { ...SMALL_CHUNK_GEOMETRY, ...geometry },
    writeRules: { wsMin: 4, wsOpt: 8, mwCunits: 16 },
    mccap: 0,
    wearIndexThreshold: 10,
    peCycles: 1000,
    maxOpenChunks: 0,
    maxOpenChunksPerPu: 0,
    earlyReset: true,
    deallocatedReads: 1,
    faults: { writes: [], resets: [] },
    initialChunks: [],
    ...more,
  };
}

export const plainDisk = (totalSecs = 1024, secSizeBytes = 4096): NamespaceConfig => ({
  kind: 'plain',
  sizeBytes: totalSecs * secSizeBytes,
  secSizeBytes,
});

export const DEFAULT_CONFIG: Omit<ControllerConfig, 'namespaces'> = {
  vendorId: 0x1d1d,
  deviceId: 0x1f1f,
  serial: 'test',
  maxQueueEntriesZ: 0x7ff,
  ioQueuePairs: 8,
  doorbellStride: 0,
  contiguousQueuesRequired: true,
  mpsMin: 0,
  mpsMax: 0,
  mdts: 10,
  maxSqes: 6,
  maxCqes: 4,
  aerlZ: 3,
  aclZ: 3,
  elpeZ: 3,
  oncs: 0xffff,
  oacs: 0xffff,
  volatileWriteCache: false,
};

export interface RigOptions extends DriverOptions {
  readonly namespaces?: readonly NamespaceConfig[];
  readonly config?: Partial<ControllerConfig>;
  readonly store?: StoreMode;
  /** The device's store, instead of a new one. Different kinds of namespace together have one each. */
  readonly stores?: readonly FakeStore[];
  /** The device's store, of any other kind. */
  readonly media?: MediaStore;
  readonly memory?: FakeMemory;
}

/** A controller with fakes on all sides and a driver in front. */
export interface Rig {
  readonly controller: NvmeController;
  readonly driver: NvmeDriver;
  readonly memory: FakeMemory;
  readonly interrupt: FakeInterruptLine;
  readonly clock: FakeClock;
  readonly telemetry: FakeTelemetry;
  readonly namespaces: readonly Namespace[];
  readonly log: CommandLog;
  readonly stores: readonly FakeStore[];
}

/** Builds a rig; the controller is as after power-on. */
export async function makeRig(options: RigOptions = {}): Promise<Rig> {
  const configs = options.namespaces ?? [openChannel()];
  const config: ControllerConfig = { ...DEFAULT_CONFIG, ...options.config, namespaces: configs };
  const memory = options.memory ?? new FakeMemory();
  const interrupt = new FakeInterruptLine();
  const clock = new FakeClock();
  const telemetry = new FakeTelemetry();
  const mixed = configs.some(({ kind }) => kind !== 'plain') && configs.length > 1;
  const stores =
    options.stores ??
    Array.from({ length: mixed ? configs.length : 1 }, () => new FakeStore(options.store ?? 'sync'));
  const media = options.media
    ? await openMedia(config, options.media, telemetry)
    : mixed
      ? await openMixed(config, stores, telemetry)
      : await openMedia(config, stores[0] as FakeStore, telemetry);
  const controller = new NvmeController(config, media, { memory, interrupt, clock }, telemetry);
  const idle = async () => {
    clock.run();
    await settle();
  };
  const driver = new NvmeDriver(controller, memory, interrupt, { idle, ...options });
  const { namespaces, log } = media;
  return { controller, driver, memory, interrupt, clock, telemetry, namespaces, log, stores };
}

/** Different kinds of namespace behind one controller, which no real store can hold, for tests of the controller. */
async function openMixed(
  config: ControllerConfig,
  stores: readonly FakeStore[],
  telemetry: FakeTelemetry,
): Promise<DeviceMedia> {
  const opened = [];
  for (const [i, ns] of config.namespaces.entries())
    opened.push(await openMedia({ ...config, namespaces: [ns] }, stores[i] as FakeStore, telemetry));
  const [first] = opened;
  if (!first) throw new Error('no namespace');
  const namespaces = opened.flatMap((media) => media.namespaces);
  return { ...first, namespaces, log: new CommandLog(namespaces) };
}

/** A rig whose driver has started: queue pair 1 is ready for I/O. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const rig = await makeRig(options);
  await rig.driver.start();
  return rig;
}

/** The flash of a rig's only namespace. */
export function flashOf(rig: Rig): OpenChannelFlash {
  const [ns] = rig.namespaces;
  if (ns?.kind !== 'ocssd12') throw new Error('not an open-channel namespace');
  return ns.medium;
}

/** The flash of a rig's only namespace, which is an open-channel 2.0 one. */
export function chunkFlashOf(rig: Rig): ChunkFlash {
  const [ns] = rig.namespaces;
  if (ns?.kind !== 'ocssd20') throw new Error('not an open-channel 2.0 namespace');
  return ns.medium;
}
