import { describe, expect, it } from 'vitest';
import { Cns, Feature, LogPage } from './identify.ts';
import { pack, type Struct } from './layout.ts';
import { AdminOpcode, IoOpcode } from './opcodes.ts';
import {
  BadBlock,
  Capability12,
  ChunkState,
  MediaCapability12,
  planeModes,
  VectorControl,
} from './ocssd12.ts';
import { Cc, CQE_BYTES, Csts, Register, SQE_BYTES } from './registers.ts';

/**
 * Every wire structure a second time, written independently: its members in the order of the C structure, each
 * with its size in bytes, so that offsets are sums and not numbers that somebody wrote down. "-" is a member,
 * or a part of one, that we have no field for. Sources: Linux 5.10 include/linux/nvme.h (nvme.h),
 * drivers/nvme/host/lightnvm.c (lightnvm.c); the error log entry as nvme-cli's nvme.h has it.
 */
const structures: Readonly<Record<string, { source: string; sizeBytes: number; members: string }>> = {
  identifyController: {
    source: 'nvme.h, struct nvme_id_ctrl',
    sizeBytes: 4096,
    members: `vid:2 ssvid:2 sn:20 mn:40 fr:8 rab:1 ieee:3 cmic:1 mdts:1 cntlid:2 ver:4 rtd3r:4 rtd3e:4 oaes:4
      ctratt:4 -:28 crdt1:2 crdt2:2 crdt3:2 -:122 oacs:2 acl:1 aerl:1 frmw:1 lpa:1 elpe:1 npss:1 avscc:1 apsta:1
      wctemp:2 cctemp:2 mtfa:2 hmpre:4 hmmin:4 tnvmcap:16 unvmcap:16 rpmbs:4 edstt:2 dsto:1 fwug:1 kas:2 hctma:2
      mntmt:2 mxtmt:2 sanicap:4 hmminds:4 hmmaxd:2 nsetidmax:2 endgidmax:2 anatt:1 anacap:1 anagrpmax:4
      nanagrpid:4 -:160 sqes:1 cqes:1 maxcmd:2 nn:4 oncs:2 fuses:2 fna:1 vwc:1 awun:2 awupf:2 nvscc:1 nwpc:1
      acwu:2 -:2 sgls:4 mnan:4 -:224 subnqn:256 -:768 ioccsz:4 iorcsz:4 icdoff:2 ctrattr:1 msdbd:1 -:244
      psd0MaxPower:2 -:30 -:992 -:1024`,
  },
  powerState: {
    source: 'nvme.h, struct nvme_id_power_state',
    sizeBytes: 32,
    members: `maxPower:2 -:1 flags:1 entryLat:4 exitLat:4 readTput:1 readLat:1 writeTput:1 writeLat:1 idlePower:2
      idleScale:1 -:1 activePower:2 activeWorkScale:1 -:9`,
  },
  identifyNamespace: {
    source: 'nvme.h, struct nvme_id_ns',
    sizeBytes: 4096,
    members: `nsze:8 ncap:8 nuse:8 nsfeat:1 nlbaf:1 flbas:1 mc:1 dpc:1 dps:1 nmic:1 rescap:1 fpi:1 dlfeat:1
      nawun:2 nawupf:2 nacwu:2 nabsn:2 nabo:2 nabspf:2 noiob:2 nvmcap:16 npwg:2 npwa:2 npdg:2 npda:2 nows:2 -:18
      anagrpid:4 -:3 nsattr:1 nvmsetid:2 endgid:2 nguid:16 eui64:8 lbaf:64 -:192 vs0:1 -:3711`,
  },
  lbaFormat: { source: 'nvme.h, struct nvme_lbaf', sizeBytes: 4, members: 'ms:2 ds:1 rp:1' },
  descriptor: {
    source: 'nvme.h, struct nvme_ns_id_desc',
    sizeBytes: 4,
    members: 'type:1 length:1 -:2',
  },
  smartLog: {
    source: 'nvme.h, struct nvme_smart_log; the low 8 of each 16-byte counter',
    sizeBytes: 512,
    members: `criticalWarning:1 temperature:2 availableSpare:1 spareThreshold:1 percentUsed:1
      enduranceGroupWarning:1 -:25 dataUnitsRead:8 -:8 dataUnitsWritten:8 -:8 hostReads:8 -:8 hostWrites:8 -:8
      ctrlBusyTimeMinutes:8 -:8 powerCycles:8 -:8 powerOnHours:8 -:8 unsafeShutdowns:8 -:8 mediaErrors:8 -:8
      numErrLogEntries:8 -:8 warningTempTime:4 criticalCompTime:4 tempSensors:16 -:4 -:4 -:4 -:4 -:280`,
  },
  firmwareLog: {
    source: 'nvme.h, struct nvme_fw_slot_info_log',
    sizeBytes: 512,
    members: 'afi:1 -:7 frs1:8 -:48 -:448',
  },
  errorLogEntry: {
    source: "nvme-cli's nvme.h, struct nvme_error_log_page",
    sizeBytes: 64,
    members: `errorCount:8 sqid:2 cmdid:2 statusField:2 parmErrorLocation:2 lba:8 nsid:4 vs:1 trtype:1 -:2 cs:8
      trtypeSpecInfo:2 -:22`,
  },
  submissionEntry: {
    source: 'nvme.h, struct nvme_common_command',
    sizeBytes: 64,
    members: `opcode:1 flags:1 cid:2 nsid:4 cdw2:4 cdw3:4 metadata:8 prp1:8 prp2:8 cdw10:4 cdw11:4 cdw12:4 cdw13:4
      cdw14:4 cdw15:4`,
  },
  completionEntry: {
    source: 'nvme.h, struct nvme_completion',
    sizeBytes: 16,
    members: 'result0:4 result1:4 sqHead:2 sqId:2 cid:2 status:2',
  },
  dsmRange: {
    source: 'nvme.h, struct nvme_dsm_range',
    sizeBytes: 16,
    members: 'attributes:4 blocks:4 lba:8',
  },
  identify12: {
    source: 'lightnvm.c, struct nvme_nvm_id12 with nvme_nvm_id12_addrf and nvme_nvm_id12_grp inside',
    sizeBytes: 4096,
    members: `verId:1 vmnt:1 cgrps:1 -:1 cap:4 dom:4
      chOffset:1 chLen:1 lunOffset:1 lunLen:1 plnOffset:1 plnLen:1 blkOffset:1 blkLen:1 pgOffset:1 pgLen:1
      secOffset:1 secLen:1 -:4
      -:228
      mtype:1 fmtype:1 -:2 numCh:1 numLun:1 numPln:1 -:1 numChk:2 numPg:2 fpgSz:2 csecs:2 sos:2 -:2 trdt:4 trdm:4
      tprt:4 tprm:4 tbet:4 tbem:4 mpos:4 mccap:4 cpar:2 -:906
      -:2880`,
  },
  badBlockTable: {
    source: 'lightnvm.c, struct nvme_nvm_bb_tbl',
    sizeBytes: 64,
    members: 'tblid:4 verid:2 revid:2 rvsd1:4 tblks:4 tfact:4 tgrown:4 tdresv:4 thresv:4 -:32',
  },
  vectorCommand: {
    source: 'lightnvm.c, struct nvme_nvm_ph_rw',
    sizeBytes: 64,
    members:
      'opcode:1 flags:1 cid:2 nsid:4 -:8 metadata:8 prp1:8 prp2:8 spba:8 length:2 control:2 dsmgmt:4 -:8',
  },
  geometry20: {
    source: 'lightnvm.c, struct nvme_nvm_id20',
    sizeBytes: 4096,
    members: `mjr:1 mnr:1 -:6 grpLen:1 puLen:1 chkLen:1 lbaLen:1 -:4 mccap:4 -:12 wit:1 -:31
      numGrp:2 numPu:2 numChk:4 clba:4 -:52 wsMin:4 wsOpt:4 mwCunits:4 maxoc:4 maxocpu:4 -:44
      trdt:4 trdm:4 twrt:4 twrm:4 tcrst:4 tcrsm:4 -:40 -:2816 -:1024`,
  },
  chunkNotification: {
    source: "SPDK's nvme_ocssd_spec.h, struct spdk_ocssd_chunk_notification_entry",
    sizeBytes: 64,
    members: 'nc:8 lba:8 nsid:4 state:2 mask:1 -:9 nlbZ:2 -:30',
  },
  chunkDescriptor: {
    source: 'lightnvm.c, struct nvme_nvm_chk_meta',
    sizeBytes: 32,
    members: 'state:1 type:1 wearIndex:1 -:5 slba:8 cnlb:8 wp:8',
  },
};

interface Member {
  readonly offset: number;
  readonly bytes: number;
}

function layoutOf(members: string): { members: Map<string, Member>; sizeBytes: number } {
  const map = new Map<string, Member>();
  let offset = 0;
  for (const item of members.trim().split(/\s+/)) {
    const [name = '', size] = item.split(':');
    const bytes = Number(size);
    if (name !== '-') map.set(name, { offset, bytes });
    offset += bytes;
  }
  return { members: map, sizeBytes: offset };
}

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && 'sizeBytes' in value && 'fields' in value;

const modules = import.meta.glob<Record<string, unknown>>(['./*.ts', '!./*.test.ts'], { eager: true });
const exported: (readonly [string, Struct])[] = Object.values(modules)
  .flatMap((module) => Object.entries(module))
  .filter((entry): entry is [string, Struct] => isStruct(entry[1]));

it.each(Object.entries(structures))('%s is written down without a gap', (_name, { sizeBytes, members }) => {
  expect(layoutOf(members).sizeBytes).toBe(sizeBytes);
});

it('all structures are here', () => {
  expect(exported.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      'badBlockTable',
      'chunkDescriptor',
      'completionEntry',
      'dsmRange',
      'firmwareLog',
      'geometry20',
      'identify12',
      'identifyController',
      'identifyNamespace',
      'lbaFormat',
      'smartLog',
      'submissionEntry',
      'vectorCommand',
    ]),
  );
});

describe.each(exported)('%s', (name, struct) => {
  it('has the size that Linux asserts', () => {
    const expected = structures[name];
    if (!expected) throw new Error(`${name} is not in the table of this test: write its members down`);
    expect(struct.sizeBytes).toBe(expected.sizeBytes);
    expect(pack(struct, {}).byteLength).toBe(expected.sizeBytes);
  });

  it('has its fields where the C structure has them', () => {
    const { members } = layoutOf(structures[name]?.members ?? '');
    for (const [field, { offset, bytes }] of Object.entries(struct.fields))
      expect({ field, offset, bytes }).toEqual({ field, ...members.get(field) });
  });

  it('has fields inside it that do not overlap', () => {
    const owner = new Map<number, string>();
    for (const [field, { offset, bytes }] of Object.entries(struct.fields)) {
      expect(offset + bytes, field).toBeLessThanOrEqual(struct.sizeBytes);
      for (let at = offset; at < offset + bytes; at++) {
        expect(owner.get(at), `${field} at ${at}`).toBeUndefined();
        owner.set(at, field);
      }
    }
  });
});

describe('registers', () => {
  it('lie where enum NVME_REG_* of nvme.h has them', () => {
    expect(Register).toMatchObject({
      cap: 0x00,
      vs: 0x08,
      intms: 0x0c,
      intmc: 0x10,
      cc: 0x14,
      csts: 0x1c,
      nssr: 0x20,
      aqa: 0x24,
      asq: 0x28,
      acq: 0x30,
      cmbloc: 0x38,
      cmbsz: 0x3c,
      doorbells: 0x1000, // NVME_REG_DBS
    });
  });

  it('have the bits of NVME_CC_* and NVME_CSTS_*', () => {
    expect([Cc.enable, Cc.mpsShift, Cc.amsShift, Cc.shnShift]).toEqual([1, 7, 11, 14]);
    expect([Cc.shnMask << Cc.shnShift, Cc.iosqesShift, Cc.iocqesShift]).toEqual([3 << 14, 16, 20]);
    expect([Csts.ready, Csts.fatal, Csts.shutdownOccurring, Csts.shutdownComplete]).toEqual([1, 2, 4, 8]);
    expect(Csts.shutdownMask).toBe(0xc);
  });

  it('belong to queues whose entries are 2^6 and 2^4 bytes (NVME_NVM_IOSQES, _IOCQES)', () => {
    expect([SQE_BYTES, CQE_BYTES]).toEqual([64, 16]);
  });
});

describe('numbers', () => {
  it('of admin commands are those of enum nvme_admin_opcode and nvme_nvm_admin_opcode', () => {
    expect(AdminOpcode).toMatchObject({
      deleteSq: 0x00,
      createSq: 0x01,
      getLogPage: 0x02,
      deleteCq: 0x04,
      createCq: 0x05,
      identify: 0x06,
      abort: 0x08,
      setFeatures: 0x09,
      getFeatures: 0x0a,
      asyncEventRequest: 0x0c,
      formatNvm: 0x80,
      geometry: 0xe2,
      setBadBlockTable: 0xf1,
      getBadBlockTable: 0xf2,
    });
  });

  it('of I/O commands are those of enum nvme_opcode and NVM_OP_*', () => {
    expect(IoOpcode).toMatchObject({
      flush: 0x00,
      write: 0x01,
      read: 0x02,
      writeUncorrectable: 0x04,
      compare: 0x05,
      writeZeroes: 0x08,
      datasetManagement: 0x09,
      vectorErase: 0x90,
      vectorWrite: 0x91,
      vectorRead: 0x92,
    });
  });

  it('of features, logs and identify structures are NVME_FEAT_*, NVME_LOG_*, NVME_ID_CNS_*', () => {
    expect(Feature).toMatchObject({
      arbitration: 0x01,
      powerManagement: 0x02,
      temperatureThreshold: 0x04,
      errorRecovery: 0x05,
      volatileWriteCache: 0x06,
      numberOfQueues: 0x07,
      interruptCoalescing: 0x08,
      interruptVectorConfig: 0x09,
      writeAtomicity: 0x0a,
      asyncEventConfig: 0x0b,
    });
    expect(LogPage).toMatchObject({ error: 1, smart: 2, firmware: 3 });
    expect(Cns).toMatchObject({ namespace: 0, controller: 1, activeNamespaces: 2 });
  });

  it('of open-channel 1.2 are NVM_* of include/linux/lightnvm.h', () => {
    expect(BadBlock).toEqual({ good: 0, factory: 1, grown: 2, device: 4, host: 8 });
    expect(Capability12).toEqual({ badBlockTable: 1, ecc: 2 });
    expect(MediaCapability12).toEqual({ slc: 1, suspend: 2, scramble: 4, encrypt: 8 });
    expect(VectorControl).toEqual({ planeMask: 3, suspend: 0x80, slc: 0x100, scramble: 0x200 });
    expect(ChunkState).toEqual({ free: 1, closed: 2, open: 4, offline: 8 });
    expect(planeModes).toEqual({ 1: 0x010101, 2: 0x020202, 4: 0x040404 });
  });
});
