import http from 'node:http';

/** An answer, and how long it took in milliseconds. */
export interface Timed {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
  readonly took: number;
}

/** GETs a URL from an address of loopback of its own (127.0.0.0/8), so that failed logins of others do not count against it. */
export function askFrom(address: string, url: string, headers: Record<string, string>): Promise<Timed> {
  const { hostname, port, pathname, search } = new URL(url);
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const options = { hostname, port, path: pathname + search, headers, localAddress: address, agent: false };
    const request = http.get(options, (response) => {
      const took = performance.now() - startedAt;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Timed['body'];
        resolve({ status: response.statusCode!, headers: response.headers, body, took });
      });
    });
    request.on('error', reject);
  });
}

let taken = 1;

/** An address of loopback that was not given out before. */
export function newAddress(): string {
  taken++;
  return `127.${1 + (taken >> 14)}.${(taken >> 7) & 127}.${1 + (taken & 127)}`;
}
