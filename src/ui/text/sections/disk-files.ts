/** What the page says of disks that leave and come as files. */
export const diskFilesEn = {
  export: 'Export',
  exportTitle: 'Save this disk as a file',
  container: 'As a container',
  containerHint: 'Everything on it, packed and checked; this page and npm run lab take it back.',
  image: 'As an image for qemu-nvme',
  imageHint: 'In a tar archive that leaves the holes out: unpack it with tar -xf.',
  close: 'Close',
  importTitle: 'Import a disk',
  import: 'Import',
  pick: 'Choose a file…',
  importHint:
    'An exported disk (.lnvmpack), an ocssd image of qemu-nvme, or raw files of branch ocssd12 with their .meta file, for which the device line of the set-up panel is used. It becomes a new disk; those that are here stay as they are.',
  exporting: (name: string) => `Exporting ${name}`,
  importing: (name: string) => `Importing ${name}`,
  progress: (done: string, total: string) => `${done} of ${total}`,
  cancel: 'Cancel',
  exported: (name: string, size: string) => `The disk ${name} was exported: ${size} of data.`,
  imported: (name: string) => `The disk ${name} was imported.`,
  underWay: (name: string) => `A transfer is under way (${name}); wait for its end, or cancel it.`,
  cannotSave: (why: string) => `The browser cannot save there (${why}); choose another place.`,
  qemu: 'Continue in QEMU',
  qemuHint: 'Export the image, unpack it, and start qemu-nvme on it:',
  qemuOcssd:
    'At each start qemu-nvme writes zeros over the first sector of the disk (group 0, parallel unit 0, chunk 0): a pblk line that begins there is not recovered. A target over other parallel units is not touched.',
  qemuRaw12:
    'Branch ocssd12 zeroes its metadata file at each start: the disk does not continue there with its data, only the formats are served.',
  femuHint: 'FEMU keeps its disk in memory, so it starts with an empty one of the same shape:',
  noFemu: 'FEMU cannot have a disk of this shape.',
  copy: 'Copy',
  copied: 'Copied',
};
