import { GiB, MiB } from '@kairos/facts/size';
import type { Disk, Partition } from '@kairos/host/disks';
import type { TargetDisk } from './install/target-disk.ts';

/** A disk as the host lists it, for tests. */
export function disk(name: string, size: number, more: Partial<Disk> = {}): Disk {
  return {
    ...{ path: `/dev/${name}`, name, size, readOnly: false, removable: false, model: '', type: 'disk' },
    ...{ partitionTable: '', filesystem: '', label: '', mountPoints: [], partitions: [], ...more },
  };
}

/** A partition as the host lists it, for tests. */
export function partition(path: string, more: Partial<Partition> = {}): Partition {
  return {
    ...{ path, name: path.slice(5), label: '', partitionName: '', filesystem: '', uuid: '' },
    ...{ partitionUuid: '', size: 100 * MiB, mountPoints: [], ...more },
  };
}

/**
 * A disk whose partitions carry our names and labels, 2 GiB each, the first at 5 MiB.
 * @param skip the name of a partition that has no file system
 */
export function preparedDisk(skip = ''): TargetDisk {
  const partitions = ['bios', 'efi', 'oem', 'recovery', 'state', 'persistent'].map((name, index) =>
    partition(`/dev/vda${index + 1}`, { partitionName: name, size: 2 * GiB }),
  );
  return {
    disk: disk('vda', 20 * GiB, { partitions }),
    signatures: partitions
      .filter(({ partitionName }) => partitionName !== 'bios' && partitionName !== skip)
      .map(({ path, partitionName }) => ({
        device: path,
        type: partitionName === 'efi' ? 'vfat' : 'ext4',
        label: partitionName === 'efi' ? 'COS_GRUB' : `COS_${partitionName.toUpperCase()}`,
      })),
    holders: [],
    starts: new Map([['/dev/vda1', 5 * MiB]]),
  };
}
