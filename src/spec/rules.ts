/**
 * The rules that a command can break, by name, each in one sentence. The command log carries the name; the
 * page says the sentence. What broke it (which sector, which limit) is said beside it, in `why`.
 */
export const rules = {
  opcode: 'A controller executes only the commands that it announces.',
  field: 'Every field of a command holds a value that the command defines.',
  namespace: 'A command names a namespace that exists.',
  prp: 'Data pointers are aligned and lead to memory.',
  'metadata-pointer': 'The metadata pointer leads to memory.',
  'address-list': 'The list of addresses is in memory.',
  'vector-length': 'A vector command carries at most as many addresses as the device announces.',
  'plane-mode': 'A plane mode names at most as many planes as the device has.',
  'transfer-size': 'One command transfers at most MDTS.',
  range: 'Addresses are inside the device.',
  'write-pointer': 'Sectors of a chunk are written in order, each at the write pointer.',
  'erase-first': 'A full chunk is erased before it is written again.',
  'bad-block': 'Nothing is written to, or erased in, a block that is bad (offline).',
  'write-size': 'A write is a multiple of ws_min sectors.',
  'open-chunks': 'At most as many chunks are open as the device announces.',
  'reset-state': 'Only open and closed chunks are reset.',
  'unwritten-read': 'Only sectors that were written can be read.',
  'cached-read':
    'The last mw_cunits sectors below the write pointer of an open chunk are still on their way to the flash.',
  'one-group': 'Data is copied inside one namespace.',
  'read-only': 'An open-channel disk is written with vector commands, not with plain writes.',
  'compare-differs': 'Compare succeeds when both sides are the same.',
  uncorrectable: 'Blocks marked with Write Uncorrectable cannot be read until they are written.',
  format: 'A namespace is formatted with a format that it announces, and its commands do not overtake that.',
  queue: 'Queues are made in order, within the limits of the controller, and deleted in the opposite order.',
  'log-page': 'A log page exists and is read inside its length, dword by dword.',
  feature: 'A feature exists, and is set to what it can be.',
  'event-limit': 'At most AERL + 1 asynchronous event requests are held.',
  aborted: 'A command that the host aborts in time is not carried out.',
  'abort-limit': 'At most ACL + 1 abort commands are outstanding.',
  'command-id': 'The identifier of a command is not in use.',
  'no-fused-no-sgl': 'Fused operations and scatter-gather lists are not supported.',
  fault: 'A fault was asked for.',
  storage: 'What the flash holds is kept by a store that can fail.',
  internal: 'The device has no defects.',
} as const;

export type Rule = keyof typeof rules;
