import type { CommandEvent, Rule } from '../../rpc/protocol.ts';
import type { LanguageCode } from './language.svelte.ts';

/**
 * What the device says in English (src/spec/rules.ts and status.ts), in Chinese. Its own sentence stands where
 * none is here.
 */
export const zhRules: Readonly<Partial<Record<Rule, string>>> = {
  opcode: '控制器只执行它声明过的命令。',
  field: '命令的每个字段都必须是该命令定义过的值。',
  namespace: '命令必须指明一个存在的命名空间。',
  prp: '数据指针必须对齐，并且指向内存。',
  'metadata-pointer': '元数据指针必须指向内存。',
  'address-list': '地址列表必须在内存里。',
  'vector-length': '向量命令携带的地址不能多于设备声明的数目。',
  'plane-mode': '平面模式涉及的平面不能多于设备拥有的平面。',
  'transfer-size': '一条命令最多传输 MDTS。',
  range: '地址必须在设备之内。',
  'write-pointer': 'chunk 的扇区按顺序写，每次都写在写指针处。',
  'erase-first': '写满的 chunk 要先擦除才能再写。',
  'bad-block': '坏块（离线）既不能写，也不能擦除。',
  'write-size': '每次写的扇区数是 ws_min 的整数倍。',
  'open-chunks': '同时打开的 chunk 不能多于设备声明的数目。',
  'reset-state': '只有打开的和已关闭的 chunk 才能重置。',
  'unwritten-read': '只能读写过的扇区。',
  'cached-read': '打开的 chunk 写指针之下最后 mw_cunits 个扇区还在写往闪存的路上。',
  'one-group': '数据只在一个命名空间之内复制。',
  'read-only': 'open-channel 磁盘用向量命令写，不用普通的写命令。',
  'compare-differs': '两边相同，比较才成功。',
  uncorrectable: '用 Write Uncorrectable 标记的块，重新写过才能读。',
  format: '命名空间只能格式化为它声明过的格式，它的命令不能越过格式化。',
  queue: '队列按顺序建立，不超出控制器的限度，并按相反的顺序删除。',
  'log-page': '日志页必须存在，只在它的长度之内、按双字读取。',
  feature: '特性必须存在，并且只能设成它允许的值。',
  'event-limit': '最多保留 AERL + 1 个异步事件请求。',
  aborted: '主机及时中止的命令不会执行。',
  'abort-limit': '同时最多有 ACL + 1 条中止命令。',
  'command-id': '命令的标识符不能正在使用。',
  'no-fused-no-sgl': '不支持融合操作和散集列表。',
  fault: '这个故障是有意设置的。',
  storage: '闪存的内容保存在存储里，而存储可能出错。',
  internal: '设备本身不应有缺陷。',
};

export const zhMeanings: Readonly<Record<string, string>> = {
  success: '命令已执行。',
  invalidOpcode: '控制器没有这条命令。',
  invalidField: '命令的某个字段含有不允许的值。',
  commandIdConflict: '命令标识符正在使用。',
  dataTransferError: '数据无法从内存取出或送入内存。',
  internalError: '设备没能执行命令。',
  abortedByRequest: '命令已按要求中止。',
  abortedSqDeletion: '命令所在的队列被删除，命令中止。',
  invalidNamespace: '命名空间不存在，或不能这样使用。',
  commandSequenceError: '命令来得不是时候。',
  prpOffsetInvalid: '数据指针没有按要求对齐。',
  lbaOutOfRange: '有地址在设备之外。',
  capacityExceeded: '命名空间没有空间了。',
  namespaceNotReady: '命名空间此刻不能使用。',
  formatInProgress: '命令等待时命名空间被格式化了。',
  completionQueueInvalid: '完成队列不存在。',
  invalidQueueId: '队列标识符不能使用。',
  invalidQueueSize: '队列的条目太少或太多。',
  abortLimitExceeded: '中止命令多于控制器能接受的数目。',
  asyncEventLimitExceeded: '异步事件请求多于控制器能保留的数目。',
  invalidInterruptVector: '控制器没有这个中断向量。',
  invalidLogPage: '控制器没有这个日志页。',
  invalidFormat: '命名空间不能这样格式化。',
  invalidQueueDeletion: '完成队列还有提交队列在用。',
  featureNotSaveable: '这个特性不能保存。',
  featureNotChangeable: '这个特性不能改变。',
  featureNotNamespaceSpecific: '这个特性属于控制器，不属于命名空间。',
  writeToReadOnlyRange: '这些块不能这样写。',
  writeFailure: '闪存拒绝写入（或擦除）。',
  emptyPage: '读了从未写过的页。',
  eccFailure: '数据读不回来了。',
  crcFailure: '读回的数据已损坏。',
  highEcc: '数据完好，但纠正了许多位。',
  writeFault: '闪存拒绝写入。',
  compareFailed: '介质上的数据与命令的数据不同。',
  unwrittenBlock: '读了从未写过或已交还的扇区。',
  offlineChunk: 'chunk 永久停用。',
  invalidReset: 'chunk 在这种状态下不能重置。',
  chunkEarlyClose: '写失败并关闭了 chunk；写指针之下的内容仍可读。',
  outOfOrderWrite: '写的位置不在 chunk 的写指针处。',
};

/** What the command's status means. */
export function meaningOf(event: CommandEvent, language: LanguageCode): string {
  return (language === 'zh-CN' ? zhMeanings[event.statusName] : undefined) ?? event.meaning;
}

/** What the rule says that the command broke. */
export function ruleOf(event: CommandEvent, language: LanguageCode): string {
  const zh = language === 'zh-CN' && event.rule ? zhRules[event.rule] : undefined;
  return zh ?? event.ruleText ?? '';
}

/** Whether the command in the log is the one that a notice of a refusal tells of. */
export function explains(event: CommandEvent, notice: string): boolean {
  return event.why !== undefined && notice.includes(event.why);
}
