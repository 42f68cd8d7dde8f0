package panel

// ShortStream is the least that is read as a stream of its own.
const ShortStream = shortStream
