import { MachineError } from './errors.ts';
import { MAX_FILE_BYTES } from './files.ts';
import type { V86BufferChain, V86Bus, V86Cpu, V86FileSystem, V86Virtio9p } from './v86-types.ts';

/** Linux' errno values, which 9P2000.L carries. */
const EIO = 5;
const ENOSPC = 28;
/** A 9P request: size[4] type[1] tag[2]. */
const TAG_OFFSET = 5;
/** All files together; v86 gives a growing file half as much again as it needs. */
const MAX_TOTAL_BYTES = MAX_FILE_BYTES * 1.5;

/** Requests of the guest that have not been answered yet. */
export interface NinePTraffic {
  readonly pending: number;
}

type NinePConstructor = new (fs: V86FileSystem, cpu: V86Cpu, bus: V86Bus) => V86Virtio9p;

/**
 * Replaces v86's 9p device by one that answers with an error where v86's would leave a rejected promise
 * that nobody handles: the guest's process hangs, and Node ends. `truncate -s 10G` in the shared directory
 * is enough for that, because each file is one array. Call it before the CPU runs.
 */
export function guardNineP(cpu: V86Cpu, fs: V86FileSystem): NinePTraffic {
  const traffic = { pending: 0 };
  const { ChangeSize } = fs;
  fs.ChangeSize = async (id, size) => {
    const old = fs.inodes[id]?.size ?? 0;
    const total = fs.inodes.reduce((sum, inode) => sum + (inode.size || 0), 0);
    if (!(size <= old) && !(total - old + size <= MAX_TOTAL_BYTES)) {
      throw new MachineError('file', 'The directory shared with the guest is full.');
    }
    await ChangeSize.call(fs, id, size);
  };

  const NineP = cpu.devices.virtio_9p.constructor as NinePConstructor;
  class GuardedNineP extends NineP {
    override async ReceiveRequest(chain: V86BufferChain): Promise<void> {
      traffic.pending++;
      try {
        await super.ReceiveRequest(chain);
      } catch (error) {
        const request = chain.read_buffers[0];
        if (request === undefined) return; // nobody to answer to
        const tag = cpu.read16(request.addr_low + TAG_OFFSET);
        this.SendError(tag, '', error instanceof MachineError ? ENOSPC : EIO);
        this.SendReply(chain);
      } finally {
        traffic.pending--;
      }
    }
  }
  // It takes over the old one's ports and its place on the PCI bus.
  cpu.devices.virtio_9p = new GuardedNineP(fs, cpu, cpu.bus);
  return traffic;
}
