/** What the page says of targets that a disk remembers. */
export const targetsEn = {
  title: 'Targets of this disk',
  target: (name: string, type: string, luns: string) => `${name} (${type}, ${luns})`,
  luns: (begin: number, end: number) => (begin === end ? `LUN ${begin}` : `LUNs ${begin}–${end}`),
  between: ', ',
  had: (count: number, targets: string) =>
    count === 1 ? `This disk had a target: ${targets}` : `This disk had ${count} targets: ${targets}`,
  create: 'Create again',
  notNow: 'Not now',
  always: 'Always, after a boot',
  alwaysSetup: "Create a disk's targets again after each boot",
  alwaysWhy:
    'Linux forgets its LightNVM targets when the power goes; the disk remembers how they were made. The command is typed into the first shell.',
};

export const targetsZh: typeof targetsEn = {
  title: '这块磁盘的目标',
  target: (name, type, luns) => `${name}（${type}，${luns}）`,
  luns: (begin, end) => (begin === end ? `LUN ${begin}` : `LUN ${begin}–${end}`),
  between: '、',
  had: (count, targets) =>
    count === 1 ? `这块磁盘上有过一个目标：${targets}` : `这块磁盘上有过 ${count} 个目标：${targets}`,
  create: '重新创建',
  notNow: '暂不',
  always: '以后每次启动后都创建',
  alwaysSetup: '每次启动后重新创建磁盘上的目标',
  alwaysWhy: 'Linux 断电后会忘记它的 LightNVM 目标，磁盘记得它们是怎样创建的。命令会输入到第一个终端里。',
};
