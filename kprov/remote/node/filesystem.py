"""File systems: how big they are, and of which kind. Reads only."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Any

from kprov.remote.node import read

# fs/xfs/libxfs/xfs_fs.h: _IOR('X', 100, struct xfs_fsop_geom_v1), 112 bytes; `flags` is the 32-bit word at 92.
XFS_IOC_FSGEOMETRY_V1 = 0x80705864
XFS_FLAGS_AT = 92
XFS_FLAG_FTYPE = 1 << 16
XFS_WITHOUT_FTYPE = "xfs, ftype=0"


def filesystem(path: str) -> dict[str, Any]:
    """Bytes and inodes, free and in all, device number and kind of the file system that holds or will hold a path."""
    while not read.exists(path) and path:
        path = os.path.dirname(path)  # noqa: PTH120
    status, found = os.statvfs(read.real(path)), os.stat(read.real(path))  # noqa: PTH116
    return {
        "free": status.f_bavail * status.f_frsize,
        "size": status.f_blocks * status.f_frsize,
        "device": str(found.st_dev),
        "inodes_free": status.f_favail,
        "inodes": status.f_files,
        "kind": _kind(read.real(path), found.st_dev),
    }


def _kind(path: str, device: int) -> str:
    """As in /proc/filesystems; empty where the mount table does not say (btrfs has a number for each subvolume)."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in read.text_or("/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2:3] == [number]:
            kind = rest.split()[0]
            return XFS_WITHOUT_FTYPE if kind == "xfs" and not _xfs_ftype(path) else kind
    return ""


def _xfs_ftype(path: str) -> bool:
    """Whether directory entries say what they are, as overlayfs needs (mkfs.xfs -n ftype=1, the default since 2015)."""
    geometry = bytearray(112)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, XFS_IOC_FSGEOMETRY_V1, geometry)
    except OSError:
        return True  # a kernel that does not answer: containerd itself will say
    finally:
        os.close(descriptor)
    (flags,) = struct.unpack_from("I", geometry, XFS_FLAGS_AT)
    return bool(flags & XFS_FLAG_FTYPE)
