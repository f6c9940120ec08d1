import { Transform } from 'class-transformer';

/** A property that holds any JSON and is taken as it was sent: class-transformer would drop keys such as `constructor` inside it. */
export function AsSent(): PropertyDecorator {
  return Transform(({ obj, key }: { readonly obj: Readonly<Record<string, unknown>>; readonly key: string }) => obj[key]);
}
