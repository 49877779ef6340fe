"""The processes that share a training: who this one is, and what they do together.

A training by itself is a group of one, for which all of this does nothing.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Group:
    """A process among those that train together.

    Attributes:
        rank: number of this process, from 0; only process 0 writes.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Which slices of a batch are this process's.

        A batch that cannot be shared evenly, as the last of an epoch, is learnt from by every
        process whole: the mean of equal gradients is the gradient.

        Args:
            batch: number of slices in the batch.
        """
        return slice(None) if batch % self.size else slice(self.rank, None, self.size)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of the processes' values, the same for all of them."""
        if self.size > 1:
            values = values.clone()
            distributed.all_reduce(values)
            values /= self.size
        return values

    def parallel(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are the mean over all processes."""
        if self.size == 1:
            return network
        with warnings.catch_warnings():  # newer torch has another name for the same
            warnings.simplefilter("ignore", FutureWarning)
            # Buffers need no broadcast: batch normalisation is alike everywhere by `synchronise`.
            return DistributedDataParallel(network, broadcast_buffers=False)

    def synchronise(self, network: nn.Module) -> None:
        """Let batch normalisation see the batches of all processes as one.

        On GPUs this is torch's SyncBatchNorm, on CPUs, for which torch has none,
        `SharedBatchNorm`.
        """
        if self.size == 1:
            return
        for name, child in network.named_children():
            if isinstance(child, nn.BatchNorm2d):
                if next(child.parameters()).is_cuda:
                    setattr(network, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
                else:
                    setattr(network, name, SharedBatchNorm.of(child))
            else:
                self.synchronise(child)


def group() -> Group:
    """The group that this process belongs to."""
    if distributed.is_available() and distributed.is_initialized():
        return Group(distributed.get_rank(), distributed.get_world_size())
    return Group()


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on CPUs too.

    Ioffe and Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1, with sums over all processes.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> "SharedBatchNorm":
        """A layer with the parameters and statistics of a plain one."""
        layer = cls(norm.num_features, norm.eps, norm.momentum, norm.affine)
        layer.load_state_dict(norm.state_dict())
        return layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise values (n, c, h, w) by mean and variance of each channel."""
        if not self.training:
            return super().forward(values)
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count])
        total = all_reduce(sums)
        number = total[-1]
        mean, square = (total[:-1] / number).chunk(2)
        variance = square - mean**2
        with torch.no_grad():
            momentum = self.momentum or 0.0
            for running, new in (
                (self.running_mean, mean),
                (self.running_var, variance * number / (number - 1)),
            ):
                if running is not None:
                    running.lerp_(new, momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight / (variance + self.eps).sqrt()
        shift = self.bias - mean * scale
        return values * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
