"""What a null route rests on, kept: headers of frames, the arithmetic, and hashes over both."""
