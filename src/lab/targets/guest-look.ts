/** What the guest says of its targets: shell commands for `labd`, and what they print. */

/** A target as the guest has it. */
export interface LiveTarget {
  readonly name: string;
  /** Of 512 bytes. */
  readonly sectors: number;
  readonly luns: number;
  /** Rises from target to target: one that was made again has another. */
  readonly inode: number;
}

export interface GuestLook {
  /** The device is there, with LightNVM: without it a target that is not there was not removed. */
  readonly hasDevice: boolean;
  /** An `nvme` runs: a target may be in the making. */
  readonly isBusy: boolean;
  readonly targets: readonly LiveTarget[];
}

/** More are not looked at: the guest says what it likes. */
export const MAX_TARGETS = 64;

/**
 * As few programs as can be: on an emulated processor that is busy each may take a second. So what is busy is said
 * first: a target that was in the making before that, and is not any more, is in the list that follows.
 */
export const LOOK_COMMAND = `
pidof nvme > /dev/null && echo busy
for t in /sys/block/*/pblk; do
  [ -d "$t" ] || continue
  d=\${t%/pblk}
  luns=
  read -r size < "$d/size"
  while read -r line; do
    case $line in blk_line:*) luns=\${line#blk_line:}; luns=\${luns%%,*};; esac
  done < "$t/lines_info"
  set -- $(ls -di "$t")
  echo "target \${d##*/} $size $luns $1"
done
[ -d /sys/block/nvme0n1/lightnvm ] && echo device
exit 0
`;

export function parseLook(output: string): GuestLook {
  const lines = output.split('\n');
  const targets: LiveTarget[] = [];
  for (const line of lines) {
    const found = /^target (\S{1,64}) (\d{1,12}) (\d{1,6}) (\d{1,10})$/.exec(line);
    if (!found || targets.length === MAX_TARGETS) continue;
    const [sectors, luns, inode] = found.slice(2).map(Number) as [number, number, number];
    targets.push({ name: found[1] as string, sectors, luns, inode });
  }
  return { hasDevice: lines.includes('device'), isBusy: lines.includes('busy'), targets };
}
