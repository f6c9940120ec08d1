import { createServer } from 'node:tls';
import type { CertificateFiles } from '../../common/certificate-files.js';
import { certificateOptions, shownCertificate } from './client-certificate.js';
import { addressOf, SOCKET_OPTIONS, type Transport, type TransportEvents } from './transport.js';

/** MQTT over TLS 1.2 or newer. Where there is a CA, clients are asked for a certificate and may go without; a foreign one is refused. */
export function tlsTransport(certificates: CertificateFiles, events: TransportEvents): Transport {
  const server = createServer({ ...SOCKET_OPTIONS, ...certificates.options, ...certificateOptions(certificates) });
  server.on('secureConnection', (stream) => {
    const address = addressOf(stream);
    const { name, problem } = shownCertificate(stream);
    if (problem === null) return events.onConnection({ stream, address, certificateName: name, admitted: () => {} });
    events.onRefused('certificate', problem, address);
    stream.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    events.onRefused('tls', error.code ?? error.message, addressOf(socket));
    socket.destroy();
  });
  certificates.keepCurrent(server);
  return { scheme: 'mqtts', path: '', variable: 'MQTT_TLS_PORT', server };
}
