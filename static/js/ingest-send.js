// Sending one file: a photograph as a form, an archive or a manifest as it is. XHR, because fetch tells no upload progress.
import { csrf } from "./app.js";

const BROKE = "the connection broke; send it again, and what is here by now is known";

/** Post a small form; resolves to {ok, data, message}. */
export async function post(url, body) {
  try {
    const response = await fetch(url, { method: "POST", body, headers: { "X-CSRF-Token": csrf, Accept: "application/json" } });
    const data = await response.json();
    return { ok: response.ok, data, message: data.detail };
  } catch {
    return { ok: false, message: "The server did not answer. Check that it runs, then try again." };
  }
}

/** Send a photograph; resolves to its outcome, or null when it is aborted. `begun` gets the request, `sent` bytes. */
export function sendPhotograph(run, { file, name }, begun, sent) {
  const body = new FormData();
  body.append("file", file, name);
  return new Promise((resolve) => {
    const request = opened(`/ingest/${run}/file`, sent, resolve);
    request.onload = () => resolve(request.status === 200 ? JSON.parse(request.responseText) : refusal(request));
    begun(request);
    request.send(body);
  });
}

/**
 * Send an archive or a manifest; `each` gets the outcome of each photograph in it as soon as the server has it. Resolves to
 * an outcome of the whole where it went wrong, to undefined at its end, or to null when it is aborted.
 */
export function sendArchive(run, { file, name }, begun, sent, each) {
  return new Promise((resolve) => {
    const request = opened(`/ingest/${run}/archive?name=${encodeURIComponent(name.slice(-1000))}`, sent, resolve);
    let read = 0;
    let stopped;
    const take = () => {
      if (request.status !== 200) return;
      const end = request.responseText.lastIndexOf("\n") + 1;
      for (const line of request.responseText.slice(read, end).split("\n").filter(Boolean)) {
        const outcome = JSON.parse(line);
        if (outcome.status === "stopped") stopped = outcome;
        else each(outcome);
      }
      read = Math.max(read, end);
    };
    request.onprogress = take;
    request.onload = () => {
      take();
      resolve(request.status === 200 ? stopped : refusal(request));
    };
    begun(request);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}

function opened(url, sent, resolve) {
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.setRequestHeader("Accept", "application/json");
  request.upload.onprogress = ({ loaded }) => sent(loaded);
  request.onerror = () => resolve({ status: "rejected", reason: BROKE });
  request.onabort = () => resolve(null);
  return request;
}

function refusal(request) {
  let reason = `the server answered ${request.status}`;
  try {
    reason = JSON.parse(request.responseText).detail ?? reason;
  } catch {
    // what a proxy answers is no JSON
  }
  return { status: "rejected", reason };
}
