import { DEVICE_SHARD, type MediaStore } from '../flash/media-store.ts';
import type { FlashObserver } from '../flash/observer.ts';
import { ChunkFlash } from '../flash/chunk-flash.ts';
import { OpenChannelFlash } from '../flash/open-channel.ts';
import { PLAIN_UNIT_BYTES, PlainMedium } from '../flash/plain.ts';
import { UnitStore } from '../flash/unit-store.ts';
import { CommandLog } from './command-log.ts';
import type { ControllerConfig } from './config.ts';
import { Health } from './health.ts';
import type { Namespace } from './namespace.ts';
import { guardObserver } from './telemetry.ts';

/** What of a device outlives its controller: the media, its counters, and the log of its commands. */
export interface DeviceMedia {
  readonly namespaces: readonly Namespace[];
  readonly units: UnitStore;
  readonly health: Health;
  readonly log: CommandLog;
}

/**
 * Opens the media of a configuration on one store: an open-channel disk is one namespace, a plain disk can be
 * several, side by side. Reads tables, no data. Rejects with StoreError.
 */
export async function openMedia(
  config: ControllerConfig,
  store: MediaStore,
  observer: FlashObserver,
): Promise<DeviceMedia> {
  const { namespaces, units } = await openNamespaces(config, store, guardObserver(observer));
  const health = new Health(units);
  const shards = await units.loadShards();
  health.load(shards.find(({ shard }) => shard === DEVICE_SHARD)?.bytes);
  for (const ns of namespaces) if (ns.kind === 'plain') ns.medium.load(shards);
  return { namespaces, units, health, log: new CommandLog(namespaces) };
}

async function openNamespaces(
  config: ControllerConfig,
  store: MediaStore,
  observer: FlashObserver,
): Promise<{ namespaces: Namespace[]; units: UnitStore }> {
  const [first] = config.namespaces;
  if (first?.kind === 'ocssd12') {
    const writeFaults = { everySecs: first.failWriteEverySecs, secs: first.failWriteSecs };
    const medium = await OpenChannelFlash.open(first.geometry, store, observer, writeFaults, first);
    return { namespaces: [{ kind: 'ocssd12', config: first, medium }], units: medium.units };
  }
  if (first?.kind === 'ocssd20') {
    const medium = await ChunkFlash.open(first, store, observer);
    return { namespaces: [{ kind: 'ocssd20', config: first, medium }], units: medium.units };
  }
  const units = new UnitStore(store, PLAIN_UNIT_BYTES);
  const namespaces: Namespace[] = [];
  let firstUnit = 0;
  for (const [index, ns] of config.namespaces.entries()) {
    if (ns.kind !== 'plain') throw new TypeError('an open-channel namespace is alone on its device');
    const medium = new PlainMedium(ns, units, { firstUnit, index });
    firstUnit += medium.totalUnits;
    namespaces.push({ kind: 'plain', config: ns, medium });
  }
  return { namespaces, units };
}
