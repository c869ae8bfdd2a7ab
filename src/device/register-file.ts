import { capabilities, Cc, Csts, CQE_BYTES, Register, SQE_BYTES, VERSION_1_2 } from '../spec/registers.ts';
import { SavedFields, SavedStateError, type TakeOver } from '../flash/saved-fields.ts';
import type { ControllerConfig } from './config.ts';
import type { GuestMemory } from './ports.ts';

const TWO_32 = 4_294_967_296;
const U32 = 0xffff_ffff;
/** Queues of the admin pair begin on such a boundary at least. */
const PAGE = 0x1000;

/** The registers that a host or the controller has set, by the specification's names. */
export interface SavedRegisters {
  readonly cc: number;
  readonly csts: number;
  readonly intms: number;
  readonly aqa: number;
  /** As exact as a number is: below 2^53 exactly. */
  readonly asq: number;
  readonly acq: number;
}

/** The controller's registers as values: what is read from them, and what the plain ones keep when written. */
export class RegisterFile {
  cc = 0;
  csts = 0;
  interruptMask = 0;
  aqa = 0;
  asq = 0;
  acq = 0;
  private readonly config: ControllerConfig;
  private readonly cap: { readonly low: number; readonly high: number };

  constructor(config: ControllerConfig) {
    this.config = config;
    this.cap = capabilities(config);
  }

  /** As after power-on. */
  clear(): void {
    this.cc = 0;
    this.csts = 0;
    this.interruptMask = 0;
    this.aqa = 0;
    this.asq = 0;
    this.acq = 0;
  }

  save(): SavedRegisters {
    const { cc, csts, interruptMask: intms, aqa, asq, acq } = this;
    return { cc, csts, intms, aqa, asq, acq };
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver & { readonly isEnabled: boolean } {
    const saved = new SavedFields(value, 'the registers');
    const cc = saved.whole('cc', 0, U32);
    const csts = saved.whole('csts', 0, Csts.ready | Csts.fatal | Csts.shutdownMask);
    const shst = csts & Csts.shutdownMask;
    if (shst !== 0 && shst !== Csts.shutdownComplete) throw saved.wrong('csts');
    const isEnabled = (csts & Csts.ready) !== 0;
    if (isEnabled && (cc & Cc.enable) === 0) throw saved.wrong('csts');
    const intms = saved.whole('intms', 0, U32);
    const aqa = saved.whole('aqa', 0, U32);
    const [asq, acq] = (['asq', 'acq'] as const).map((name) => saved.whole(name, 0, TWO_32 * TWO_32));
    if (asq === undefined || acq === undefined || asq % PAGE !== 0 || acq % PAGE !== 0)
      throw new SavedStateError('the admin queues are not on pages');
    const takeOver = (): void => {
      Object.assign(this, { cc, csts, interruptMask: intms, aqa, asq, acq });
    };
    return Object.assign(takeOver, { isEnabled });
  }

  get isReady(): boolean {
    return (this.csts & (Csts.ready | Csts.fatal)) === Csts.ready;
  }

  get isFatal(): boolean {
    return (this.csts & Csts.fatal) !== 0;
  }

  /** 2^(12 + CC.MPS) */
  get pageBytes(): number {
    return 4096 * 2 ** this.memoryPageSize;
  }

  /** Entries of the admin queues (AQA.ASQS, AQA.ACQS; zero-based there). */
  get adminSqEntries(): number {
    return (this.aqa & 0xfff) + 1;
  }
  get adminCqEntries(): number {
    return ((this.aqa >>> 16) & 0xfff) + 1;
  }

  private get memoryPageSize(): number {
    return (this.cc >>> Cc.mpsShift) & Cc.mpsMask;
  }

  /** A register of 32 bits at an aligned offset. */
  read(offset: number): number {
    switch (offset) {
      case Register.cap:
        return this.cap.low;
      case Register.cap + 4:
        return this.cap.high;
      case Register.vs:
        return VERSION_1_2;
      case Register.intms:
      case Register.intmc:
        return this.interruptMask;
      case Register.cc:
        return this.cc;
      case Register.csts:
        return this.csts;
      case Register.aqa:
        return this.aqa;
      case Register.asq:
        return this.asq % TWO_32;
      case Register.asq + 4:
        return Math.floor(this.asq / TWO_32);
      case Register.acq:
        return this.acq % TWO_32;
      case Register.acq + 4:
        return Math.floor(this.acq / TWO_32);
      default:
        return 0; // reserved, CMB (none), doorbells (write only)
    }
  }

  /** Keeps what is written to one of the admin queue's registers; false for any other. */
  writeAdminQueue(offset: number, value: number): boolean {
    switch (offset) {
      case Register.aqa:
        this.aqa = value & 0x0fff_0fff;
        return true;
      case Register.asq:
        this.asq = Math.floor(this.asq / TWO_32) * TWO_32 + ((value & ~0xfff) >>> 0);
        return true;
      case Register.asq + 4:
        this.asq = value * TWO_32 + (this.asq % TWO_32);
        return true;
      case Register.acq:
        this.acq = Math.floor(this.acq / TWO_32) * TWO_32 + ((value & ~0xfff) >>> 0);
        return true;
      case Register.acq + 4:
        this.acq = value * TWO_32 + (this.acq % TWO_32);
        return true;
      default:
        return false;
    }
  }

  /** Why the controller cannot be enabled with these values, to end a sentence; undefined if it can. */
  problem(memory: GuestMemory): string | undefined {
    const { mpsMin, mpsMax } = this.config;
    const mps = this.memoryPageSize;
    if (mps < mpsMin || mps > mpsMax)
      return `memory page size ${mps} (CC.MPS) outside ${mpsMin} to ${mpsMax}`;
    if (((this.cc >>> Cc.cssShift) & Cc.cssMask) !== 0) return 'a command set other than NVM (CC.CSS)';
    if (((this.cc >>> Cc.amsShift) & Cc.amsMask) !== 0) return 'an arbitration it does not have (CC.AMS)';
    if (this.adminSqEntries < 2 || this.adminCqEntries < 2)
      return 'an admin queue of fewer than two entries (AQA)';
    if (this.asq === 0 || this.acq === 0) return 'an admin queue that is nowhere (ASQ, ACQ)';
    if (this.asq % this.pageBytes !== 0 || this.acq % this.pageBytes !== 0)
      return 'an admin queue that is not page aligned (ASQ, ACQ)';
    if (!memory.isRam(this.asq, this.adminSqEntries * SQE_BYTES))
      return 'an admin submission queue outside memory (ASQ)';
    if (!memory.isRam(this.acq, this.adminCqEntries * CQE_BYTES))
      return 'an admin completion queue outside memory (ACQ)';
    return undefined;
  }
}
