/**
 * Packing: the documents of a corpus, one after the other, as a single stream of token ids. Sequences are cut from it,
 * so no place of a batch is ever filled with padding, and none enters a loss or a load count.
 */

/**
 * Joins documents into one stream, each followed by the end-of-text token.
 *
 * @param documents token ids, one array per document
 * @param endOfText the id put after each document, or null to put nothing
 */
export function packTokens(documents: readonly Int32Array[], endOfText: number | null): Int32Array {
  const separator = endOfText === null ? [] : [endOfText];
  const stream = new Int32Array(documents.reduce((sum, document) => sum + document.length + separator.length, 0));
  let end = 0;
  for (const document of documents) {
    stream.set(document, end);
    stream.set(separator, end + document.length);
    end += document.length + separator.length;
  }
  return stream;
}
