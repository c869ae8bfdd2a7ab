import type { Words } from '../en.ts';

export const diskFilesZh: Words['diskFiles'] = {
  export: '导出',
  exportTitle: '把这块磁盘存成文件',
  container: '存成容器文件',
  containerHint: '包含磁盘上的全部内容，压缩并带校验；本页面和 npm run lab 都能再导入。',
  image: '存成 qemu-nvme 的镜像',
  imageHint: '放在省去空洞的 tar 包里：用 tar -xf 解开。',
  close: '关闭',
  importTitle: '导入磁盘',
  import: '导入',
  pick: '选择文件…',
  importHint:
    '导出的磁盘（.lnvmpack）、qemu-nvme 的 ocssd 镜像，或 ocssd12 分支的原始文件及其 .meta 文件（后者使用设置面板里的设备参数行）。导入后成为一块新磁盘，已有的磁盘不变。',
  exporting: (name) => `正在导出 ${name}`,
  importing: (name) => `正在导入 ${name}`,
  progress: (done, total) => `${done}，共 ${total}`,
  cancel: '取消',
  exported: (name, size) => `磁盘 ${name} 已导出：数据 ${size}。`,
  imported: (name) => `磁盘 ${name} 已导入。`,
  underWay: (name) => `正在传输（${name}）；请等它结束，或先取消。`,
  cannotSave: (why) => `浏览器无法存到那里（${why}）；请换一个位置。`,
  qemu: '在 QEMU 中继续',
  qemuHint: '导出镜像并解包，然后用它启动 qemu-nvme：',
  qemuOcssd:
    'qemu-nvme 每次启动都会把磁盘的第一个扇区（group 0、PU 0、chunk 0）写成零：从那里开始的 pblk line 无法恢复。建在其他 PU 上的 target 不受影响。',
  qemuRaw12: 'ocssd12 分支每次启动都会清空元数据文件：磁盘不能带着数据在那里继续，这里只保证文件格式。',
  femuHint: 'FEMU 把磁盘放在内存里，因此从一块同样形状的空磁盘开始：',
  noFemu: 'FEMU 不能有这种形状的磁盘。',
  copy: '复制',
  copied: '已复制',
};
