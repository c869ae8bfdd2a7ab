/**
 * What the guest does to be saved after its boot: shell commands for `labd`, and what they rely on (guest/rootfs,
 * BusyBox init and sh).
 */

/** A shell's prompt, and what BusyBox asks the terminal with it: where the cursor is. */
// eslint-disable-next-line no-control-regex -- an escape sequence
export const PROMPT = /# (\x1b\[6n)?$/;

/** Ends the shells. Init starts new ones, which greet and stand at their prompts: what they say is kept with the state. */
export const NEW_SHELLS_COMMAND = 'for p in $(pidof sh); do [ $p = $$ ] || kill -KILL $p; done';

/**
 * Brings a freshly booted guest to rest, and fails if it is not fit to be saved.
 *
 * - Caches go (7: without a line in the kernel's log), and all free memory is filled with zeros: v86 leaves
 *   zero pages out of a state, and the rest packs well. A ramfs takes pages of every kind, and only the last
 *   120 are spared, because dd itself needs some. The agents must not be chosen when memory gets short, dd may be.
 *   The kernel must not raise its watermarks meanwhile: once in a while it raised them by 4 MiB
 *   (boost_watermark in mm/page_alloc.c), and dd waited for ever for pages that nobody could free. Writing
 *   min_free_kbytes lowers a raised one.
 * - The kernel's random generator must not have been seeded: then the first bytes that a restored machine is
 *   given seed it at once (crng_init in drivers/char/random.c), and no two go on alike.
 */
export const REST_COMMAND = `
agents="$(pidof sh) $(pidof labd) $(pidof watchd)"
for p in $agents; do echo -1000 > /proc/$p/oom_score_adj; done
echo 7 > /proc/sys/vm/drop_caches
boost=$(cat /proc/sys/vm/watermark_boost_factor)
echo 0 > /proc/sys/vm/watermark_boost_factor
spare=$(cat /proc/sys/vm/min_free_kbytes)
echo 64 > /proc/sys/vm/min_free_kbytes
mount -t ramfs none /mnt || exit 1
while read a b c; do [ "$a $b" = "pages free" ] && free=$c && break; done < /proc/zoneinfo
( read p rest < /proc/self/stat; echo 1000 > /proc/$p/oom_score_adj
  exec dd if=/dev/zero of=/mnt/zeros bs=4k count=$((free - 120)) 2> /dev/null ) || exit 1
: > /mnt/zeros
umount /mnt
echo $spare > /proc/sys/vm/min_free_kbytes
echo $boost > /proc/sys/vm/watermark_boost_factor
for p in $agents; do echo 0 > /proc/$p/oom_score_adj; done
if dmesg | grep -q 'crng init done'; then echo 'its random generator was seeded already'; exit 1; fi
`;
