"""The HTTP client of OpenJDK, which offers an upgrade to HTTP/2 with every request unless it is told not to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pictures import opened
from serving import Server
from wire import FLIPPED, PNG

SOURCE = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

public class Flip {
    public static void main(String[] given) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(given[0]))
            .POST(HttpRequest.BodyPublishers.ofFile(Path.of(given[1]))).build();
        System.out.print(HttpClient.newHttpClient()
            .send(request, HttpResponse.BodyHandlers.ofFile(Path.of(given[2]))).statusCode());
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_the_http_client_of_openjdk_gets_its_picture(server: Server, tmp_path: Path) -> None:
    source, picture, result = tmp_path / "Flip.java", tmp_path / "picture.png", tmp_path / "result.png"
    source.write_text(SOURCE, encoding="utf-8")
    picture.write_bytes(PNG)
    command = ["java", str(source), f"{server.url}/flip", str(picture), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("200", "")
    assert opened(result.read_bytes()).tobytes() == FLIPPED
