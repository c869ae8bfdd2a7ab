import type { ControllerConfig, NamespaceConfig } from '../../src/device/config.ts';
import { NvmeController } from '../../src/device/controller.ts';
import type { Namespace } from '../../src/device/namespace.ts';
import type { Geometry } from '../../src/flash/geometry.ts';
import { OpenChannelFlash } from '../../src/flash/open-channel.ts';
import { PlainMedium } from '../../src/flash/plain.ts';
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
    ...more,
  };
}

export const plainDisk = (totalSecs = 1024, secSizeBytes = 4096): NamespaceConfig => ({
  kind: 'plain',
  totalSecs,
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
};

export interface RigOptions extends DriverOptions {
  readonly namespaces?: readonly NamespaceConfig[];
  readonly config?: Partial<ControllerConfig>;
  readonly store?: StoreMode;
  /** One store for each namespace, instead of new ones. */
  readonly stores?: readonly FakeStore[];
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
  const stores = options.stores ?? configs.map(() => new FakeStore(options.store ?? 'sync'));
  const namespaces: Namespace[] = [];
  for (const [i, ns] of configs.entries()) {
    namespaces.push(await openNamespace(ns, stores[i] as FakeStore, telemetry));
  }
  const controller = new NvmeController(config, namespaces, { memory, interrupt, clock }, telemetry);
  const idle = async () => {
    clock.run();
    await settle();
  };
  const driver = new NvmeDriver(controller, memory, interrupt, { idle, ...options });
  return { controller, driver, memory, interrupt, clock, telemetry, namespaces, stores };
}

/** A rig whose driver has started: queue pair 1 is ready for I/O. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const rig = await makeRig(options);
  await rig.driver.start();
  return rig;
}

async function openNamespace(
  config: NamespaceConfig,
  store: FakeStore,
  telemetry: FakeTelemetry,
): Promise<Namespace> {
  if (config.kind === 'plain') {
    return { kind: 'plain', config, medium: new PlainMedium(config.totalSecs, config.secSizeBytes, store) };
  }
  const faults = { everySecs: config.failWriteEverySecs, secs: config.failWriteSecs };
  const medium = await OpenChannelFlash.open(config.geometry, store, telemetry, faults);
  return { kind: 'ocssd12', config, medium };
}

/** The flash of a rig's only namespace. */
export function flashOf(rig: Rig): OpenChannelFlash {
  const [ns] = rig.namespaces;
  if (ns?.kind !== 'ocssd12') throw new Error('not an open-channel namespace');
  return ns.medium;
}
