import { Feature } from '../spec/identify.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { ControllerConfig } from './config.ts';

export interface FeatureResult {
  readonly status: StatusCode;
  readonly value: number;
  readonly why: string;
}

const ok = (value: number): FeatureResult => ({ status: Status.success, value, why: '' });
const no = (status: StatusCode, why: string): FeatureResult => ({ status, value: 0, why });

const SAVE_BIT = 0x8000_0000;
const SELECT_CAPABILITIES = 3;
/** Get Features, select 3: changeable, not saveable, not namespace specific. */
const CHANGEABLE = 1 << 2;

/** Values after a reset; 343 K is the warning temperature of Identify Controller. */
const defaults: ReadonlyMap<number, number> = new Map([
  [Feature.arbitration, 0x6],
  [Feature.powerManagement, 0],
  [Feature.temperatureThreshold, 343],
  [Feature.errorRecovery, 0],
  [Feature.interruptCoalescing, 0],
  [Feature.interruptVectorConfig, 0],
  [Feature.writeAtomicity, 0],
  [Feature.asyncEventConfig, 0],
]);

/** Set and Get Features (NVMe 1.2 mandatory ones). Values go with a controller reset. */
export class Features {
  private readonly config: ControllerConfig;
  private values = new Map(defaults);
  private queueCount: number;

  constructor(config: ControllerConfig) {
    this.config = config;
    this.queueCount = this.maxQueueCount;
  }

  reset(): void {
    this.values = new Map(defaults);
    this.queueCount = this.maxQueueCount;
  }

  /** NCQA and NSQA, zero-based, in the upper and lower half. */
  private get maxQueueCount(): number {
    const z = this.config.ioQueuePairs - 1;
    return ((z << 16) | z) >>> 0;
  }

  set(
    cdw10: number,
    cdw11: number,
    nsid: number,
    hasIoQueues: boolean,
    namespaceCount: number,
  ): FeatureResult {
    const fid = cdw10 & 0xff;
    if ((cdw10 & SAVE_BIT) !== 0) return no(Status.featureNotSaveable, `feature ${fid} cannot be saved`);
    const wrong = checkNamespace(nsid, namespaceCount);
    if (wrong) return wrong;
    if (fid === Feature.numberOfQueues) {
      if (hasIoQueues)
        return no(Status.commandSequenceError, 'the number of queues is fixed once one was created');
      const sqs = cdw11 & 0xffff;
      const cqs = cdw11 >>> 16;
      if (sqs === 0xffff || cqs === 0xffff) return no(Status.invalidField, '65536 queues');
      const most = this.config.ioQueuePairs - 1;
      this.queueCount = ((Math.min(cqs, most) << 16) | Math.min(sqs, most)) >>> 0;
      return ok(this.queueCount);
    }
    if (fid === Feature.powerManagement && (cdw11 & 0x1f) !== 0)
      return no(Status.invalidField, 'there is only power state 0');
    if (fid === Feature.interruptVectorConfig && (cdw11 & 0xffff) !== 0)
      return no(Status.invalidField, 'there is only vector 0');
    if (!this.values.has(fid))
      return no(Status.invalidField, `feature ${fid.toString(16)}h does not exist here`);
    this.values.set(fid, cdw11);
    return ok(0);
  }

  get(cdw10: number, cdw11: number, nsid: number, namespaceCount: number): FeatureResult {
    const fid = cdw10 & 0xff;
    const select = (cdw10 >>> 8) & 7;
    const wrong = checkNamespace(nsid, namespaceCount);
    if (wrong) return wrong;
    if (select > SELECT_CAPABILITIES) return no(Status.invalidField, `select ${select}`);
    if (fid === Feature.numberOfQueues) {
      if (select === SELECT_CAPABILITIES) return ok(CHANGEABLE);
      return ok(select === 0 ? this.queueCount : this.maxQueueCount);
    }
    if (fid === Feature.interruptVectorConfig && (cdw11 & 0xffff) !== 0)
      return no(Status.invalidField, 'there is only vector 0');
    const value = this.values.get(fid);
    if (value === undefined)
      return no(Status.invalidField, `feature ${fid.toString(16)}h does not exist here`);
    if (select === SELECT_CAPABILITIES) return ok(CHANGEABLE);
    return ok(select === 0 ? value : (defaults.get(fid) ?? 0));
  }
}

function checkNamespace(nsid: number, namespaceCount: number): FeatureResult | undefined {
  if (nsid === 0 || nsid === 0xffff_ffff || nsid <= namespaceCount) return undefined;
  return no(Status.invalidNamespace, `namespace ${nsid} does not exist`);
}
