import { describeLink } from './link.suite.js';
import { startBox } from './support/box.js';

describeLink('the embedded broker', async () => {
  const box = await startBox();
  return { url: box.link.urls[0]!, recorder: box.recorder, publisher: box.publisher, close: () => box.close() };
});
