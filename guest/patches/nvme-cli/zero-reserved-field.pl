#!/usr/bin/perl
# `nvme lnvm create -o N` of nvme-cli 1.12 leaves the field `rsv` of struct
# nvm_ioctl_create_extended as it found it on the stack, and Linux 5.10 answers
# EINVAL, "reserved config field in use", unless it happens to be zero.
#
# In the source (nvme-lightnvm.c, lnvm_do_create_tgt) the repair is
#
#     config.conf.e.op = over_prov;
#   + config.conf.e.rsv = 0;
#
# Debian's mirror has lost the source archive of this version (see
# docs/guest.md), so it is made in the program of the Debian package:
# `op` was stored as 16 bits; it is now stored as 32, over `op` and `rsv`.
# lnvm_do_create_tgt takes it as an unsigned 32-bit number, of which 80 is the
# largest that the kernel takes: the upper half, now `rsv`, is zero.
#
# This change to a GPL program is under the GPL-2.0 too.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

my $before = '32bfb2a052d59f671c36d5e4b8efcfc4bc49d212caf01c25e737c8b5c8ea54d8';
my $old = pack 'H*', '0fb78424d4000000'    # movzwl 0xd4(%esp),%eax   over_prov
                   . '6689842498000000';   # mov    %ax,0x98(%esp)    op
my $new = pack 'H*', '8b8424d4000000'      # mov    0xd4(%esp),%eax
                   . '89842498000000'      # mov    %eax,0x98(%esp)   op, rsv
                   . '6690';               # nop

my ($in, $out) = @ARGV;
open my $f, '<:raw', $in or die "$in: $!\n";
my $program = do { local $/; <$f> };
die "$in is not the nvme of nvme-cli 1.12-5 for i386\n" if sha256_hex($program) ne $before;
my $at = index $program, $old;
die "$in: the instructions are not there, or there twice\n"
    if $at < 0 || index($program, $old, $at + 1) >= 0;
substr($program, $at, length $old) = $new;
open my $g, '>:raw', $out or die "$out: $!\n";
print $g $program or die "$out: $!\n";
close $g or die "$out: $!\n";
