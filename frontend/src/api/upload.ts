/** Uploads whose progress is told: fetch says nothing of what is sent. */
import { Problem, problemOf } from "./problem";

export interface Sending {
  /** Ends it: the rest isn't sent. */
  signal: AbortSignal;
  /** Told how much is sent, from 0 to 1. */
  onProgress: (share: number) => void;
}

/** Posts a form. Throws a Problem as `call` does. */
export async function upload(path: string, body: FormData, { signal, onProgress }: Sending): Promise<Response> {
  const response = await new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", path);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => reject(new Problem("unreachable", "the upload broke off"));
    request.onabort = () => reject(signal.reason as Error);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    if (signal.aborted) reject(signal.reason as Error);
    else request.send(body);
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}
