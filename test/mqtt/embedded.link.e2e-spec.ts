import { describeLink } from './link.suite.js';
import { startBox } from './support/box.js';

describeLink('the embedded broker', async () => {
  const box = await startBox();
  const { recorder, publisher, link } = box;
  return { url: link.urls[0]!, recorder, publisher, ordered: true, close: () => box.close() };
});
