namespace HotModel.Llama;

/// <summary>Appends lines to a file; a full one becomes NAME.1, that one NAME.2, and so on. One writer.</summary>
/// <remarks>A disk that is full or read-only costs lines, nothing else: the next line tries again.</remarks>
internal sealed class RotatedFile(string path, long maxBytes, int files) : IDisposable
{
    private FileStream? stream;

    public bool TryAppend(ReadOnlySpan<byte> line)
    {
        try
        {
            stream ??= Open();
            if (stream.Length > 0 && stream.Length + line.Length > maxBytes)
            {
                Rotate();
                stream = Open();
            }
            stream.Write(line);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public void Flush()
    {
        try
        {
            stream?.Flush();
        }
        catch (IOException)
        {
            // The lines are lost; so say the callers' counts.
        }
    }

    public void Dispose()
    {
        try
        {
            stream?.Dispose();
        }
        catch (IOException)
        {
            // Disposing flushes, and the disk may be full.
        }
        stream = null;
    }

    // The log may hold paths and parts of requests: it is nobody else's business.
    private FileStream Open()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 16 * 1024,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    private void Rotate()
    {
        Dispose();
        for (var i = files - 1; i > 0; i--)
        {
            var from = i == 1 ? path : $"{path}.{i - 1}";
            if (File.Exists(from))
                File.Move(from, $"{path}.{i}", overwrite: true);
        }
    }
}
