import { blockIndex } from '../../src/flash/address.ts';
import type { Geometry } from '../../src/flash/geometry.ts';
import { OpenChannelFlash } from '../../src/flash/open-channel.ts';
import type { FactoryBlocks } from '../../src/flash/open-channel-bad-blocks.ts';
import type { WriteFaults } from '../../src/flash/open-channel-write.ts';
import { SectorVector } from '../../src/flash/transfer.ts';
import { SMALL_GEOMETRY } from '../driver/rig.ts';
import { FakeStore, settle, type StoreMode } from './fake-store.ts';
import { FakeTelemetry } from './fake-telemetry.ts';
import { FakeTransfer } from './fake-transfer.ts';

/** A place in LUN `lun`: chunk, plane, sector of that plane's block. */
export interface Place {
  readonly lun?: number;
  readonly chk?: number;
  readonly pln?: number;
  readonly sec: number;
}

export interface Outcome {
  readonly transfer: FakeTransfer;
  readonly vector: SectorVector;
  status: number | undefined;
}

/** A flash with small sectors over a fake store, for tests without a controller. */
export class FlashBench {
  readonly store: FakeStore;
  readonly flash: OpenChannelFlash;
  readonly telemetry: FakeTelemetry;

  private constructor(flash: OpenChannelFlash, store: FakeStore, telemetry: FakeTelemetry) {
    this.flash = flash;
    this.store = store;
    this.telemetry = telemetry;
  }

  static async open(
    mode: StoreMode | FakeStore = 'sync',
    geometry: Partial<Geometry> = {},
    faults?: WriteFaults,
    factory?: FactoryBlocks,
  ): Promise<FlashBench> {
    const store = mode instanceof FakeStore ? mode : new FakeStore(mode);
    const telemetry = new FakeTelemetry();
    const full = { ...SMALL_GEOMETRY, secSizeBytes: 512, ...geometry };
    return new FlashBench(
      await OpenChannelFlash.open(full, store, telemetry, faults, factory),
      store,
      telemetry,
    );
  }

  block({ lun = 0, chk = 0, pln = 0 }: Omit<Place, 'sec'>): number {
    return blockIndex(this.flash.geometry, 0, lun, chk, pln);
  }

  private vector(places: readonly Place[]): SectorVector {
    const vector = new SectorVector(64);
    for (const place of places) vector.push(this.block(place), place.sec);
    return vector;
  }

  private start(places: readonly Place[], data: Uint8Array, oob?: Uint8Array): Outcome {
    return { transfer: new FakeTransfer(data, oob), vector: this.vector(places), status: undefined };
  }

  write(places: readonly Place[], data: Uint8Array, oob?: Uint8Array): Outcome {
    const outcome = this.start(places, data, oob);
    this.flash.write(outcome.vector, outcome.transfer, (status) => (outcome.status = status));
    return outcome;
  }

  read(places: readonly Place[]): Outcome {
    const { secSizeBytes, oobSizeBytes } = this.flash.geometry;
    const data = new Uint8Array(places.length * secSizeBytes).fill(0xee);
    const outcome = this.start(places, data, new Uint8Array(places.length * oobSizeBytes).fill(0xee));
    this.flash.read(outcome.vector, outcome.transfer, (status) => (outcome.status = status));
    return outcome;
  }

  erase(places: readonly Omit<Place, 'sec'>[], planes = 1): Outcome {
    const outcome = this.start(
      places.map((place) => ({ ...place, sec: 0 })),
      new Uint8Array(0),
    );
    this.flash.erase(outcome.vector, planes, outcome.transfer, (status) => (outcome.status = status));
    return outcome;
  }

  mark(places: readonly Omit<Place, 'sec'>[], value: number): Outcome {
    const outcome = this.start(
      places.map((place) => ({ ...place, sec: 0 })),
      new Uint8Array(0),
    );
    this.flash.markBlocks(outcome.vector, value, (status) => (outcome.status = status));
    return outcome;
  }

  async finished(outcome: Outcome): Promise<Outcome> {
    for (let i = 0; i < 200 && outcome.status === undefined; i++) await settle();
    return outcome;
  }
}
