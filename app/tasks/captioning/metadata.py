"""Captions in the metadata of pictures: XMP beside them, or inside of a JPEG or a PNG.

The properties are `dc:description` and IPTC's `AltTextAccessibility`, which photo programs show and publish. A person's
text is never replaced; what was written here, and has not been edited since, is.
"""

import hashlib
import io
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, IptcImagePlugin, UnidentifiedImageError

from model.files import read_bytes, replacing

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_X = "adobe:ns:meta/"
_RECAP = "https://recap.invalid/xmp/1.0/"
"""Namespace of the mark that a model wrote the text; a name, not an address."""
_PREFIXES = {"rdf": _RDF, "dc": _DC, "Iptc4xmpCore": _IPTC, "x": _X, "recap": _RECAP}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_TEXTS = (f"{{{_DC}}}description", f"{{{_IPTC}}}AltTextAccessibility")
_MARK, _MODEL = f"{{{_RECAP}}}text", f"{{{_RECAP}}}model"
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
_KEYWORD = b"XML:com.adobe.xmp"
_MOST_BYTES = 10_000_000
"""Bytes of the largest packet that is read."""


class MetadataError(Exception):
    """Metadata that can't be written; the message says why."""


class PersonsTextError(MetadataError):
    """A picture that has a person's text."""


def write_sidecar(picture: Path, text: str, model: str) -> None:
    """Writes a caption into `photo.jpg.xmp` beside the picture, and keeps what else is in there.

    Raises:
        PersonsTextError: it, `photo.xmp` or the picture itself has a text that a person wrote.
        MetadataError, OSError: the file is no XMP, or can't be written.
    """
    sidecar = picture.with_name(f"{picture.name}.xmp")
    data = read_bytes(picture)
    for packet in (_embedded(data), _contents(picture.with_suffix(".xmp"))):
        _require_no_text(_parse(packet))
    _require_no_iptc(data)
    packet = described(_contents(sidecar), text, model)
    with replacing(sidecar) as partial:
        partial.write_bytes(packet)


def embed(picture: Path, text: str, model: str) -> None:
    """Writes a caption into a JPEG or a PNG; pixels and all other metadata stay as they are, byte by byte.

    Raises:
        PersonsTextError: it, or a file of XMP beside it, has a text that a person wrote.
        MetadataError, OSError: it is of another format, or can't be written.
    """
    data = read_bytes(picture)
    for name in (f"{picture.name}.xmp", f"{picture.stem}.xmp"):
        _require_no_text(_parse(_contents(picture.with_name(name))))
    _require_no_iptc(data)
    if data.startswith(_JPEG):
        whole = _in_jpeg(data, described(_embedded(data), text, model))
    elif data.startswith(_PNG):
        whole = _in_png(data, described(_embedded(data), text, model))
    else:
        raise MetadataError("captions are embedded in JPEG and PNG alone; --write sidecar takes all formats")
    mode = picture.stat().st_mode
    with replacing(picture) as partial:
        partial.write_bytes(whole)
    picture.chmod(mode & 0o777)


def described(packet: bytes, text: str, model: str) -> bytes:
    """A packet of XMP with a caption in it, and what it had before.

    Raises:
        PersonsTextError: it has a text that a person wrote.
        MetadataError: it is no XMP.
    """
    meta = _parse(packet)
    _require_no_text(meta)
    if meta is None:
        meta = ET.Element(f"{{{_X}}}xmpmeta")
    rdf = meta if meta.tag == f"{{{_RDF}}}RDF" else meta.find(f"{{{_RDF}}}RDF")
    if rdf is None:
        rdf = ET.SubElement(meta, f"{{{_RDF}}}RDF")
    for description in rdf.findall(f"{{{_RDF}}}Description"):
        for name in (*_TEXTS, _MARK, _MODEL):  # ours, of an earlier run
            description.attrib.pop(name, None)
            for old in description.findall(name):
                description.remove(old)
    description = ET.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
    for name in _TEXTS:
        alternatives = ET.SubElement(ET.SubElement(description, name), f"{{{_RDF}}}Alt")
        ET.SubElement(alternatives, f"{{{_RDF}}}li", {_LANG: "x-default"}).text = text
    description.set(_MARK, _digest(text))
    description.set(_MODEL, model)
    body = ET.tostring(meta, encoding="unicode")
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}<?xpacket end="w"?>'.encode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _contents(file: Path) -> bytes:
    return read_bytes(file) if file.is_file() else b""


def _parse(packet: bytes) -> ET.Element | None:
    """The root of a packet, None if there is nothing in it."""
    if not packet.strip():
        return None
    if len(packet) > _MOST_BYTES or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise MetadataError("its XMP is too large, or has a document type, which XMP never has")
    for prefix, uri in _PREFIXES.items():
        ET.register_namespace(prefix, uri)
    try:
        for _, (prefix, uri) in ET.iterparse(io.BytesIO(packet.strip()), ["start-ns"]):
            if prefix and not prefix.startswith("ns") and uri not in _PREFIXES.values():
                ET.register_namespace(prefix, uri)  # else they would be renamed, which some programs don't bear
        root = ET.fromstring(packet.strip())
    except (ET.ParseError, ValueError) as error:
        raise MetadataError(f"its XMP can't be read: {error}") from error
    if root.tag not in (f"{{{_X}}}xmpmeta", f"{{{_RDF}}}RDF"):
        raise MetadataError("its XMP has no xmpmeta and no RDF at the top")
    return root


def _require_no_text(meta: ET.Element | None) -> None:
    """Raises a PersonsTextError for a text without our mark, or that was edited since."""
    if meta is None:
        return
    descriptions = list(meta.iter(f"{{{_RDF}}}Description"))
    marks = {description.get(_MARK) for description in descriptions} - {None}
    for description in descriptions:
        for name in _TEXTS:
            texts = [description.get(name, "")]
            texts += ["".join(part.itertext()) for found in description.findall(name) for part in _leaves(found)]
            for text in filter(str.strip, texts):
                if _digest(text.strip()) not in marks:
                    raise PersonsTextError("has a person's text")


def _leaves(found: ET.Element) -> list[ET.Element]:
    return list(found.iter(f"{{{_RDF}}}li")) or [found]


def _require_no_iptc(data: bytes) -> None:
    """Raises a PersonsTextError for a caption in IPTC's older form."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            found = IptcImagePlugin.getiptcinfo(picture) or {}
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error):
        return
    caption = found.get((2, 120), b"")
    if any(part.strip() for part in (caption if isinstance(caption, list) else [caption])):
        raise PersonsTextError("has a person's text")


def _embedded(data: bytes) -> bytes:
    """The packet of XMP in a JPEG or a PNG; none of another format, whose sidecar it would be in."""
    if data.startswith(_JPEG):
        for marker, start, end in _segments(data):
            if marker == 0xE1 and data[start + 4 : end].startswith(_APP1):
                return data[start + 4 + len(_APP1) : end]
    elif data.startswith(_PNG):
        for kind, start, end in _chunks(data):
            if kind == b"iTXt" and data[start + 8 : end - 4].startswith(_KEYWORD + b"\0"):
                return _png_text(data[start + 8 : end - 4])
    return b""


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Segments before a JPEG's pixels: marker, start with the marker, and end."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == 0xDA:
            return
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        yield marker, place, end
        place = end


def _in_jpeg(data: bytes, packet: bytes) -> bytes:
    """A JPEG with a packet in place of the one that it has, or behind its first segments."""
    segment = _APP1 + packet
    if len(segment) + 2 > 0xFFFF:
        raise MetadataError("its XMP is larger than a JPEG can hold; --write sidecar has no such limit")
    segment = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    place = 2
    for marker, start, end in _segments(data):
        if marker == 0xE1 and data[start + 4 : end].startswith(_APP1):
            return data[:start] + segment + data[end:]
        if marker == 0xE0 or (marker == 0xE1 and data[start + 4 : end].startswith(b"Exif\0")):
            place = end  # JFIF and Exif come first
    return data[:place] + segment + data[place:]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Chunks of a PNG: type, start and end."""
    place = len(_PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], place, end
        place = end


def _png_text(chunk: bytes) -> bytes:
    """The text of an iTXt chunk: keyword, flags, language and translated keyword come before it."""
    flags, _, rest = chunk[len(_KEYWORD) + 1 :][:2], *chunk[len(_KEYWORD) + 3 :].partition(b"\0")[1:]
    text = rest.partition(b"\0")[2]
    if flags[:1] != b"\1":
        return text
    try:
        unpacker = zlib.decompressobj()
        return unpacker.decompress(text, _MOST_BYTES)
    except zlib.error as error:
        raise MetadataError(f"its XMP can't be read: {error}") from error


def _in_png(data: bytes, packet: bytes) -> bytes:
    """A PNG with a packet in place of the one that it has, or before its pixels."""
    body = _KEYWORD + b"\0\0\0\0\0" + packet
    check = zlib.crc32(b"iTXt" + body).to_bytes(4, "big")
    chunk = len(body).to_bytes(4, "big") + b"iTXt" + body + check
    for kind, start, end in _chunks(data):
        if kind == b"iTXt" and data[start + 8 : end - 4].startswith(_KEYWORD + b"\0"):
            return data[:start] + chunk + data[end:]
        if kind == b"IDAT":
            return data[:start] + chunk + data[start:]
    raise MetadataError("it has no pixels")
