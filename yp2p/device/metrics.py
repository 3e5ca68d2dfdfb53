"""What the daemon does, in numbers, for Prometheus: `yp2p metrics`.

Everything is read from the parts when somebody asks; nobody counts for this alone but the histograms and some totals.
Names of folders and devices are labels. Nothing of this is a secret of the network, but it tells who works when, so it
is on the control socket, and on TCP only where the settings say so.

Source: the text format of prometheus.io/docs/instrumenting/exposition_formats, written by its own library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from yp2p import __version__
from yp2p.disk.actor import Disk
from yp2p.folder.folder import Folder
from yp2p.histogram import Histogram
from yp2p.identity import DeviceID, FolderID, format_device_id
from yp2p.peers.peers import Peers
from yp2p.store.database import Database
from yp2p.transport.refusals import Refusals

if TYPE_CHECKING:
    from prometheus_client import Metric


class Metrics:
    """Collects the families of metrics (`collect`) and writes them as text (`text`).

    Args:
        refused: who refuse connections; whoever listens adds itself.
    """

    def __init__(
        self,
        database: Database,
        peers: Peers,
        folders: Mapping[FolderID, Folder],
        disks: Mapping[FolderID, Disk],
        refused: list[Refusals],
    ) -> None:
        self._database = database
        self._peers = peers
        self._folders = folders
        self._disks = disks
        self.refused = refused

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        from prometheus_client import generate_latest  # of no use to those who never ask

        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """All families. The library's registry has the same method."""
        from prometheus_client import ProcessCollector

        yield from ProcessCollector(registry=None).collect()
        yield from self._of_program()
        yield from self._of_devices()
        yield from self._of_folders()

    def _of_program(self) -> Iterator[Metric]:
        yield _gauge("yp2p_info", "The version that runs.", [({"version": __version__}, 1)])
        writer = self._database.writer
        yield _histogram("yp2p_commit_seconds", "How long a commit of the store took.", [({}, writer.took)])
        yield _gauge("yp2p_commits_waiting", "Commits that wait for the store's writer.", [({}, writer.waiting)])
        refused = sum(refusals.total for refusals in self.refused)
        yield _counter("yp2p_connections_refused", "Connections that were refused.", [({}, refused)])

    def _of_devices(self) -> Iterator[Metric]:
        devices = sorted(self._peers.devices.roster.known())
        known = [(self._named(device), self._peers.link(device)) for device in devices]
        yield _gauge(
            "yp2p_linked", "Whether another device is connected.", [(who, int(link is not None)) for who, link in known]
        )
        links = [(who, link) for who, link in known if link is not None]
        sent = [(who, link.traffic.sent_bytes) for who, link in links]
        received = [(who, link.received_bytes) for who, link in links]
        yield _counter("yp2p_link_sent_bytes", "Bytes sent on the link that there is.", sent)
        yield _counter("yp2p_link_received_bytes", "Bytes received on the link that there is.", received)

    def _of_folders(self) -> Iterator[Metric]:
        folders = [({"folder": folder.label}, folder) for folder in self._folders.values()]
        for name, text, of in _OF_FOLDER:
            yield _gauge(name, text, [(which, of(folder)) for which, folder in folders])
        yield _gauge(
            "yp2p_watches", "Directories that inotify watches.",
            [({"folder": self._folders[one].label}, disk.watched_directories) for one, disk in self._disks.items()
             if one in self._folders],
        )  # fmt: skip
        yield _gauge("yp2p_entries_behind", "Entries that another device is not known to have on its disk.", [
            ({**which, **self._named(device)}, len(session.agreement.behind))
            for which, folder in folders
            for device in sorted(folder.membership.devices)
            if (session := self._peers.session(device, folder.id)) is not None
        ])  # fmt: skip
        yield _histogram(
            "yp2p_acknowledged_seconds", "From a change here until another device has it on its disk.",
            [(which, folder.observers.acknowledged) for which, folder in folders],
        )  # fmt: skip

    def _named(self, device: DeviceID) -> dict[str, str]:
        names = (f.name_of(device) for f in self._folders.values() if device in f.membership.members)
        return {"device": self._peers.devices.called(device) or next(names, ""), "id": format_device_id(device)[:7]}


_OF_FOLDER: tuple[tuple[str, str, Callable[[Folder], float]], ...] = (
    ("yp2p_entries", "Files, directories and links of the folder.", lambda f: len(f.catalogue.layout().path_of)),
    ("yp2p_entries_to_fetch", "Files whose content is still to come.", lambda f: len(f.files.blobs.wanted)),
    ("yp2p_bytes_to_fetch", "Bytes of files that are still to come.", lambda f: f.files.blobs.wanted_bytes),
    ("yp2p_entries_waiting", "Files that cannot be brought in step now.", lambda f: len(f.files.waiting.entries)),
    ("yp2p_render_queue", "Files that are to be looked at or written.", lambda f: len(f.render_queue)),
    ("yp2p_folder_settled", "Whether disk and documents agree.", lambda f: int(f.state.settled)),
    (
        "yp2p_folder_paused",
        "Whether nothing is read from or written to the disk.",
        lambda f: bool(f.state.pause_reason),
    ),
)


def _gauge(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text)
    for labels, value in values:
        family.add_sample(name, labels, value)
    return family


def _counter(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, text)
    for labels, value in values:
        family.add_sample(f"{name}_total", labels, value)
    return family


def _histogram(name: str, text: str, values: Iterable[tuple[dict[str, str], Histogram]]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text)
    for labels, found in values:
        for bound, count in found.cumulative():
            family.add_sample(f"{name}_bucket", {**labels, "le": bound}, count)
        family.add_sample(f"{name}_count", labels, found.count)
        family.add_sample(f"{name}_sum", labels, found.sum_s)
    return family
