import { describe, expect, it } from 'vitest';
import { parseFields, parseFormat } from './format.ts';

/** As Linux 5.10 shows it. */
export const EXEC_FORMAT = `name: sched_process_exec
ID: 56
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:__data_loc char[] filename;	offset:8;	size:4;	signed:1;
	field:pid_t pid;	offset:12;	size:4;	signed:1;
	field:char comm[16];	offset:16;	size:16;	signed:1;

print fmt: "filename=%s pid=%d", __get_str(filename), REC->pid
`;

describe('parseFormat', () => {
  it('reads the number and the fields', () => {
    const format = parseFormat(EXEC_FORMAT);
    expect(format?.id).toBe(56);
    expect([...(format?.fields.keys() ?? [])]).toEqual([
      'common_type',
      'common_flags',
      'common_preempt_count',
      'common_pid',
      'filename',
      'pid',
      'comm',
    ]);
    expect(format?.fields.get('common_pid')).toEqual({ offset: 4, size: 4, signed: true });
    expect(format?.fields.get('comm')).toEqual({ offset: 16, size: 16, signed: true });
  });

  it('refuses what has no number, and skips lines that are no fields', () => {
    expect(parseFormat('field:int x;\toffset:0;\tsize:4;\tsigned:1;')).toBeUndefined();
    expect(parseFormat('')).toBeUndefined();
    expect(parseFormat('ID: 3\nfield:int x;\toffset:a;\tsize:4;')?.fields.size).toBe(0);
  });

  it('keeps nothing beyond a page, and no more than 64 fields', () => {
    expect(parseFields('field:int x;\toffset:4095;\tsize:4;\tsigned:1;').size).toBe(0);
    const many = Array.from({ length: 100 }, (_, i) => `field:int f${i};\toffset:${i};\tsize:1;\tsigned:1;`);
    expect(parseFields(many.join('\n')).size).toBe(64);
  });
});
