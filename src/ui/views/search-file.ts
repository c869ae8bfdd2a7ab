/** Where a file of the guest lies on its disk: a script for the guest, and how its answer is read. */

/** Sectors of a disk, in units of the disk's own sector size. */
export interface DiskExtent {
  readonly lba: number;
  readonly count: number;
}

export interface FileOnDisk {
  readonly kind: 'found';
  /** As the guest resolved it. */
  readonly path: string;
  /** Name of the block device that it is on. */
  readonly disk: string;
  /** LUNs that the pblk target has; 0 where the disk is no target. */
  readonly luns: number;
  readonly isDevice: boolean;
  readonly extents: readonly DiskExtent[];
  /** Extents that have no place of their own: inside an inode, or not allocated yet. */
  readonly unplaced: number;
}

/** Why there is nothing to show. */
export type FileProblem = 'missing' | 'folder' | 'noDisk' | 'noExtents' | 'unreadable';
export type FileAnswer =
  FileOnDisk | { readonly kind: 'problem'; readonly problem: FileProblem; readonly detail: string };

/** Longer answers are cut: a file in so many pieces is not looked at piece by piece. */
const MAX_EXTENTS = 20_000;
const LINUX_SECTOR_BYTES = 512;

/** A word for the shell, whatever is in it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Asks for the file's device and extents. Everything is synced first, the disk's own cache too: a file system that
 * allocates late has no extents before, and pblk keeps in its buffer what nobody waits for.
 */
export function fileScript(path: string): string {
  return [
    'say() { echo "$@"; exit 0; }',
    `f=${quoted(path)}`,
    // Relative names are meant as seen from where people work.
    'for d in "" /root/ /mnt/ /host/; do [ -e "$d$f" ] && { f=$d$f; break; }; done',
    '[ -e "$f" ] || say "problem missing"',
    '[ -d "$f" ] && say "problem folder"',
    'if [ -b "$f" ]; then r=$(readlink -f "$f"); s=$(readlink -f "/sys/class/block/${r##*/}")',
    'else n=$(stat -L -c %d "$f") || say "problem unreadable"',
    '  s=$(readlink -f "/sys/dev/block/$(( (n >> 8) & 4095 )):$(( (n & 255) | ((n >> 12) & 1048320) ))"); fi',
    '[ -d "$s" ] || say "problem noDisk"',
    'disk=${s##*/}; start=0; size=$(cat "$s/size")',
    'if [ -e "$s/partition" ]; then start=$(cat "$s/start"); p=${s%/*}; disk=${p##*/}; fi',
    'sync; dd if=/dev/null of="/dev/$disk" conv=fsync 2>/dev/null',
    'luns=$(grep -c "pos:" "/sys/block/$disk/pblk/write_luns" 2>/dev/null)',
    'echo "on $disk ${start} ${size} ${luns:-0}"; echo "path $f"',
    '[ -b "$f" ] && say "device"',
    'filefrag -e -v "$f" 2>&1',
  ].join('\n');
}

/** Reads what the script printed. @param secSizeBytes sector size of the disk */
export function readFileAnswer(output: string, secSizeBytes: number): FileAnswer {
  const problem = /^problem (missing|folder|noDisk|unreadable)\s*$/m.exec(output);
  const wrong = (kind: FileProblem, detail = ''): FileAnswer => ({ kind: 'problem', problem: kind, detail });
  if (problem) return wrong(problem[1] as FileProblem);
  const on = /^on (\S+) (\d+) (\d+) (\d+)$/m.exec(output);
  const path = /^path (.*)$/m.exec(output)?.[1] ?? '';
  if (!on) return wrong('unreadable', output.trim().split('\n').at(-1) ?? '');
  const disk = on[1] ?? '';
  const startBytes = Number(on[2]) * LINUX_SECTOR_BYTES;
  const place = { kind: 'found', path, disk, luns: Number(on[4]) } as const;
  if (/^device$/m.test(output)) {
    const extents = [extent(startBytes, Number(on[3]) * LINUX_SECTOR_BYTES, secSizeBytes)];
    return { ...place, isDevice: true, extents, unplaced: 0 };
  }
  const blockBytes = Number(/of (\d+) bytes\)/.exec(output)?.[1] ?? 0);
  // "   0:        0..       7:      34816..     34823:      8:             last,eof"
  const lines = [...output.matchAll(/^\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+):(.*)$/gm)];
  if (blockBytes === 0 || lines.length === 0)
    return wrong('noExtents', /^filefrag: .*|.*: .*not supported.*$/im.exec(output)?.[0] ?? '');
  const placed = lines.filter(([, , , flags = '']) => !/inline|unknown_loc|delalloc/.test(flags));
  return {
    ...place,
    isDevice: false,
    extents: placed
      .slice(0, MAX_EXTENTS)
      .map(([, first, count]) =>
        extent(startBytes + Number(first) * blockBytes, Number(count) * blockBytes, secSizeBytes),
      ),
    unplaced: lines.length - placed.length,
  };
}

/** The sectors that bytes lie in. */
function extent(fromByte: number, bytes: number, secSizeBytes: number): DiskExtent {
  const lba = Math.floor(fromByte / secSizeBytes);
  return { lba, count: Math.ceil((fromByte + bytes) / secSizeBytes) - lba };
}
