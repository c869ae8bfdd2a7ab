import {
  CHANGED_NAMESPACES_BYTES,
  EventInfo,
  EventType,
  Format,
  LogPage,
  Oacs,
  Oaes,
} from '../spec/identify.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { MAX_LBADS, MIN_LBADS } from '../flash/plain-blocks.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { PlainNamespace } from './namespace.ts';
import { optionalAdminCommands } from './optional.ts';

const ALL_NAMESPACES = 0xffff_ffff;
const USER_DATA_ERASE = 1;

/** Format NVM (80h): gives a plain namespace another block size, and forgets what it held. */
export class FormatAdmin {
  private readonly core: Core;
  /** Namespaces whose identity changed since the host read log page 04h. */
  private readonly changed = new Set<number>();

  constructor(core: Core) {
    this.core = core;
  }

  get isAnnounced(): boolean {
    return (optionalAdminCommands(this.core.config) & Oacs.format) !== 0;
  }

  execute(command: Command): void {
    const { core } = this;
    const no = (status: StatusCode, why: string) => refuse(core, command, status, 'format', why);
    if (!this.isAnnounced)
      return refuse(core, command, Status.invalidOpcode, 'opcode', 'this device cannot be formatted (oacs)');
    const targets = this.targets(command.nsid);
    if (!targets) {
      const why = `namespace ${command.nsid} does not exist`;
      return refuse(core, command, Status.invalidNamespace, 'namespace', why);
    }
    const lbaf = command.cdw10 & Format.lbafMask;
    const ses = (command.cdw10 >>> Format.sesShift) & Format.sesMask;
    if (lbaf > MAX_LBADS - MIN_LBADS)
      return no(Status.invalidFormat, `format ${lbaf} of ${MAX_LBADS - MIN_LBADS + 1}`);
    if (((command.cdw10 >>> Format.piShift) & Format.piMask) !== 0)
      return no(Status.invalidFormat, 'protection information, which no format here has');
    if ((command.cdw10 & Format.mset) !== 0)
      return no(Status.invalidFormat, 'metadata at the end of the data, but no format here has metadata');
    // All user data goes in any case. Without encryption there is no cryptographic erase (FNA bit 2 is 0).
    if (ses > USER_DATA_ERASE) return no(Status.invalidField, `secure erase ${ses}; there are 0 and 1`);
    this.format(command, targets, 2 ** (MIN_LBADS + lbaf));
  }

  /** Undefined when there is no such namespace. */
  private targets(nsid: number): { ns: PlainNamespace; nsid: number }[] | undefined {
    const { namespaces } = this.core;
    const all = namespaces.flatMap((ns, i) => (ns.kind === 'plain' ? [{ ns, nsid: i + 1 }] : []));
    if (nsid === ALL_NAMESPACES) return all;
    const found = all.filter((target) => target.nsid === nsid);
    return found.length > 0 ? found : undefined;
  }

  private format(
    command: Command,
    targets: readonly { ns: PlainNamespace; nsid: number }[],
    secSizeBytes: number,
  ): void {
    let left = targets.length;
    let worst: StatusCode = Status.success;
    for (const { ns, nsid } of targets) {
      const changes = ns.medium.secSizeBytes !== secSizeBytes;
      ns.medium.format(secSizeBytes, (status) => {
        worst = worst || status;
        if (status === Status.success && changes && !command.abandoned) this.changed.add(nsid);
        if (--left === 0) this.end(command, worst);
      });
    }
  }

  private end(command: Command, status: StatusCode): void {
    if (status !== Status.success)
      command.explain(status, 'storage', 'the disk could not be changed durably; power it on again');
    this.core.complete(command, status);
    if (this.changed.size === 0) return;
    this.core.events.raise({
      type: EventType.notice,
      information: EventInfo.namespaceAttributes,
      logPage: LogPage.changedNamespaces,
      enabledBy: Oaes.namespaceAttributes,
    });
  }

  get changedNamespaces(): readonly number[] {
    return [...this.changed];
  }

  set changedNamespaces(nsids: readonly number[]) {
    this.changed.clear();
    for (const nsid of nsids) this.changed.add(nsid);
  }

  /** Log page 04h: the namespaces in rising order. */
  changedPage(): Uint8Array {
    const bytes = new Uint8Array(CHANGED_NAMESPACES_BYTES);
    const view = new DataView(bytes.buffer);
    const sorted = Array.from(this.changed).sort((a, b) => a - b);
    sorted.slice(0, bytes.byteLength / 4).forEach((nsid, i) => view.setUint32(4 * i, nsid, true));
    return bytes;
  }

  /** The host has read it, or forgot everything with a reset. */
  forgetChanged(): void {
    this.changed.clear();
  }
}
