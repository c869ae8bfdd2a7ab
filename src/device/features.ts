import { DULBE, EventInfo, EventType, Feature, LogPage, SmartWarning } from '../spec/identify.ts';
import { SavedFields, type TakeOver } from '../flash/saved-fields.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import type { Core } from './core.ts';
import { ROOM_TEMPERATURE_K } from './smart.ts';

export interface FeatureResult {
  readonly status: StatusCode;
  readonly value: number;
  readonly why: string;
}

const ok = (value: number): FeatureResult => ({ status: Status.success, value, why: '' });
const no = (status: StatusCode, why: string): FeatureResult => ({ status, value: 0, why });

const ALL_NAMESPACES = 0xffff_ffff;
/** Set Features, dword 10: save. */
const SAVE_BIT = 0x8000_0000;
/** Get Features, dword 10 bits 8 to 10. Nothing can be saved, so what is saved is the default. */
const Select = { current: 0, capabilities: 3 } as const;
/** Get Features, select 3. */
const NAMESPACE_SPECIFIC = 1 << 1;
const CHANGEABLE = 1 << 2;
/** Arbitration burst of all ones: no limit. */
const NO_BURST_LIMIT = 7;
/** Warning temperature of Identify Controller. */
export const WARNING_TEMPERATURE_K = 343;

/** Values after a reset, of features that are one number for the controller. */
const defaults: ReadonlyMap<number, number> = new Map([
  [Feature.arbitration, 0x6],
  [Feature.powerManagement, 0],
  [Feature.interruptCoalescing, 0],
  [Feature.interruptVectorConfig, 0],
  [Feature.writeAtomicity, 0],
  [Feature.asyncEventConfig, 0],
]);

/** Temperature threshold, dword 11: threshold, sensor (0 is the composite one, Fh all), over (0) or under (1). */
const temperature = (dword: number) => ({
  kelvin: dword & 0xffff,
  sensor: (dword >>> 16) & 0xf,
  type: (dword >>> 20) & 3,
});

const isDword = (value: number): boolean => value >= 0 && value <= 0xffff_ffff;

/** Features that a host has set: by number, and by namespace. */
export interface SavedFeatures {
  readonly values: readonly (readonly [fid: number, dword: number])[];
  readonly queueCount: number;
  readonly overK: number;
  readonly underK: number;
  readonly writeCache: number;
  readonly errorRecovery: readonly (readonly [nsid: number, dword: number])[];
}

/** Set and Get Features: the mandatory ones of NVMe 1.2, and the write cache where there is one. Values go with a reset. */
export class Features {
  private readonly core: Core;
  private values = new Map(defaults);
  /** I/O queues granted, zero-based: completion queues in the upper half, submission queues in the lower. */
  queueCount: number;
  /** Composite temperature: warn from the first on, and down to the second. */
  private overK = WARNING_TEMPERATURE_K;
  private underK = 0;
  private writeCache = 1;
  /** Error recovery of each namespace: TLER, and DULBE in bit 16. */
  private readonly errorRecovery = new Map<number, number>();
  private anyDulbe = false;

  constructor(core: Core) {
    this.core = core;
    this.queueCount = this.maxQueueCount;
  }

  reset(): void {
    this.values = new Map(defaults);
    this.queueCount = this.maxQueueCount;
    this.overK = WARNING_TEMPERATURE_K;
    this.underK = 0;
    this.writeCache = 1;
    this.core.useWriteCache(true);
    this.errorRecovery.clear();
    this.anyDulbe = false;
  }

  save(): SavedFeatures {
    const { queueCount, overK, underK, writeCache } = this;
    return {
      values: [...this.values],
      queueCount,
      overK,
      underK,
      writeCache,
      errorRecovery: [...this.errorRecovery],
    };
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    const { config, namespaces } = this.core;
    const saved = new SavedFields(value, 'the features');
    const values = saved.pairs('values', defaults.size, (fid, dword) => defaults.has(fid) && isDword(dword));
    const errorRecovery = saved.pairs(
      'errorRecovery',
      namespaces.length,
      (nsid, dword) => namespaces[nsid - 1] !== undefined && isDword(dword),
    );
    const queueCount = saved.whole('queueCount', 0, this.maxQueueCount);
    if ((queueCount & 0xffff) >= config.ioQueuePairs || queueCount >>> 16 >= config.ioQueuePairs)
      throw saved.wrong('queueCount');
    const overK = saved.whole('overK', 0, 0xffff);
    const underK = saved.whole('underK', 0, 0xffff);
    const writeCache = saved.whole('writeCache', 0, 1);
    return () => {
      this.values = new Map([...defaults, ...values]);
      this.errorRecovery.clear();
      for (const [nsid, dword] of errorRecovery) this.errorRecovery.set(nsid, dword);
      this.noteDulbe();
      Object.assign(this, { queueCount, overK, underK, writeCache });
      this.core.useWriteCache(writeCache === 1);
    };
  }

  private noteDulbe(): void {
    this.anyDulbe = Array.from(this.errorRecovery.values()).some((each) => (each & DULBE) !== 0);
  }

  /** NCQA and NSQA, zero-based, in the upper and lower half. */
  private get maxQueueCount(): number {
    const z = this.core.config.ioQueuePairs - 1;
    return ((z << 16) | z) >>> 0;
  }

  /** Commands taken from one queue before it is another's turn. */
  get burst(): number {
    const ab = (this.values.get(Feature.arbitration) ?? 0) & 7;
    return ab === NO_BURST_LIMIT ? Infinity : 2 ** ab;
  }

  /** Whether reads of deallocated or unwritten blocks fail (DULBE). */
  deallocatedFails(nsid: number): boolean {
    return this.anyDulbe && ((this.errorRecovery.get(nsid) ?? 0) & DULBE) !== 0;
  }

  /** The temperature is at or beyond a threshold. */
  get temperatureWarning(): boolean {
    return ROOM_TEMPERATURE_K >= this.overK || ROOM_TEMPERATURE_K <= this.underK;
  }

  // Set --------------------------------------------------------------------------------------------

  set(command: Command): FeatureResult {
    const { nsid, cdw10, cdw11 } = command;
    const fid = cdw10 & 0xff;
    if (!this.exists(fid)) return unknown(fid);
    if ((cdw10 & SAVE_BIT) !== 0) return no(Status.featureNotSaveable, `feature ${fid} cannot be saved`);
    const wrong = this.checkNamespace(nsid);
    if (wrong) return wrong;
    const one = nsid !== 0 && nsid !== ALL_NAMESPACES;
    if (fid === Feature.errorRecovery) return this.setErrorRecovery(one ? nsid : undefined, cdw11);
    if (one) return no(Status.featureNotNamespaceSpecific, `feature ${fid} is one of the controller`);
    switch (fid) {
      case Feature.numberOfQueues:
        return this.setQueueCount(cdw11);
      case Feature.temperatureThreshold:
        return this.setThreshold(cdw11);
      case Feature.volatileWriteCache:
        this.writeCache = cdw11 & 1;
        this.core.useWriteCache(this.writeCache === 1);
        return ok(0);
      case Feature.powerManagement:
        if ((cdw11 & 0x1f) !== 0) return no(Status.invalidField, 'there is only power state 0');
        break;
      case Feature.interruptVectorConfig:
        if ((cdw11 & 0xffff) !== 0) return no(Status.invalidField, 'there is only vector 0');
        break;
    }
    this.values.set(fid, cdw11);
    if (fid === Feature.asyncEventConfig) {
      this.core.events.configuration = cdw11;
      this.warn();
    }
    return ok(0);
  }

  private setQueueCount(value: number): FeatureResult {
    const { sqs, cqs } = this.core;
    if (sqs.length > 1 || cqs.length > 1)
      return no(Status.commandSequenceError, 'the number of queues is fixed once one was created');
    const wantedSqs = value & 0xffff;
    const wantedCqs = value >>> 16;
    if (wantedSqs === 0xffff || wantedCqs === 0xffff) return no(Status.invalidField, '65536 queues');
    const most = this.core.config.ioQueuePairs - 1;
    this.queueCount = ((Math.min(wantedCqs, most) << 16) | Math.min(wantedSqs, most)) >>> 0;
    return ok(this.queueCount);
  }

  private setThreshold(value: number): FeatureResult {
    const { kelvin, sensor, type } = temperature(value);
    if (type > 1) return no(Status.invalidField, `temperature threshold type ${type}`);
    if (sensor !== 0 && sensor !== 0xf)
      return no(Status.invalidField, `there is no temperature sensor ${sensor}`);
    if (type === 0) this.overK = kelvin;
    else this.underK = kelvin;
    this.warn();
    return ok(0);
  }

  private warn(): void {
    if (!this.temperatureWarning) return;
    this.core.events.raise({
      type: EventType.smart,
      information: EventInfo.temperature,
      logPage: LogPage.smart,
      enabledBy: SmartWarning.temperature,
    });
  }

  /** Namespace specific; `nsid` undefined: for all. */
  private setErrorRecovery(nsid: number | undefined, value: number): FeatureResult {
    const { namespaces } = this.core;
    const can = (id: number) => namespaces[id - 1]?.kind !== 'ocssd12';
    if (nsid !== undefined && (value & DULBE) !== 0 && !can(nsid))
      return no(Status.invalidField, 'open-channel 1.2 has no error for deallocated blocks (DULBE)');
    namespaces.forEach((_, index) => {
      const id = index + 1;
      if (nsid === undefined || nsid === id)
        this.errorRecovery.set(id, (can(id) ? value : value & ~DULBE) >>> 0);
    });
    this.noteDulbe();
    return ok(0);
  }

  // Get --------------------------------------------------------------------------------------------

  get({ nsid, cdw10, cdw11 }: Command): FeatureResult {
    const fid = cdw10 & 0xff;
    const select = (cdw10 >>> 8) & 7;
    if (!this.exists(fid)) return unknown(fid);
    const wrong = this.checkNamespace(nsid);
    if (wrong) return wrong;
    if (select > Select.capabilities) return no(Status.invalidField, `select ${select}`);
    const specific = fid === Feature.errorRecovery;
    if (select === Select.capabilities) return ok(CHANGEABLE | (specific ? NAMESPACE_SPECIFIC : 0));
    const current = select === Select.current;
    switch (fid) {
      case Feature.numberOfQueues:
        return ok(current ? this.queueCount : this.maxQueueCount);
      case Feature.volatileWriteCache:
        return ok(current ? this.writeCache : 1);
      case Feature.temperatureThreshold:
        return this.getThreshold(cdw11, current);
      case Feature.errorRecovery:
        if (nsid === ALL_NAMESPACES)
          return no(Status.invalidNamespace, 'each namespace has its own error recovery');
        // nvme-cli asks the controller (namespace 0) as well: that is the first namespace's.
        return ok(current ? (this.errorRecovery.get(nsid || 1) ?? 0) : 0);
      case Feature.interruptVectorConfig:
        if ((cdw11 & 0xffff) !== 0) return no(Status.invalidField, 'there is only vector 0');
        break;
    }
    return ok((current ? this.values.get(fid) : defaults.get(fid)) ?? 0);
  }

  private getThreshold(dword: number, current: boolean): FeatureResult {
    const { sensor, type } = temperature(dword);
    if (type > 1) return no(Status.invalidField, `temperature threshold type ${type}`);
    if (sensor !== 0) return no(Status.invalidField, `there is no temperature sensor ${sensor}`);
    if (type === 0) return ok(current ? this.overK : WARNING_TEMPERATURE_K);
    return ok(current ? this.underK : 0);
  }

  private exists(fid: number): boolean {
    switch (fid) {
      case Feature.numberOfQueues:
      case Feature.temperatureThreshold:
      case Feature.errorRecovery:
        return true;
      case Feature.volatileWriteCache:
        return this.core.config.volatileWriteCache;
      default:
        return defaults.has(fid);
    }
  }

  private checkNamespace(nsid: number): FeatureResult | undefined {
    if (nsid === 0 || nsid === ALL_NAMESPACES || nsid <= this.core.namespaces.length) return undefined;
    return no(Status.invalidNamespace, `namespace ${nsid} does not exist`);
  }
}

function unknown(fid: number): FeatureResult {
  return no(Status.invalidField, `feature ${fid.toString(16)}h does not exist here`);
}
