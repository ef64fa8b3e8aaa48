namespace HotModel.Logging;

/// <summary>Appends lines to a file; a full one becomes NAME.1, that one NAME.2, and so on.</summary>
/// <remarks>A disk that is full or read-only costs lines, nothing else. What was written of them in part is taken back.</remarks>
internal sealed class RotatedFile(string path, long maxBytes, int files) : ILogOutput
{
    private FileStream? stream;

    /// <summary>Why nothing can be written now; null: it can.</summary>
    public string? Problem()
    {
        try
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
                Directory.CreateDirectory(folder);
            stream ??= Open();
            return stream.CanSeek ? null : "it is no file; what shall go to standard error goes there without log_file";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return exception.Message;
        }
    }

    public bool TryWrite(ReadOnlySpan<byte> lines)
    {
        var end = 0L;
        try
        {
            stream ??= Open();
            end = stream.Length;
            if (end > 0 && end + lines.Length > maxBytes)
            {
                Rotate();
                stream = Open();
                end = 0;
            }
            stream.Write(lines);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            TakeBack(end);
            return false;
        }
    }

    public void Dispose()
    {
        stream?.Dispose();
        stream = null;
    }

    // Opened anew for the next lines: the folder may have been taken away and put back.
    private void TakeBack(long end)
    {
        try
        {
            if (stream is { CanSeek: true } && stream.Length > end)
                stream.SetLength(end);
        }
        catch (IOException)
        {
            // Then a piece of a line stays.
        }
        Dispose();
    }

    // The log may hold paths and parts of requests: it is nobody else's business.
    private FileStream Open()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            // Lines come in batches; a buffer would only hide from whom a full disk takes them.
            BufferSize = 0,
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
        // With none to keep nothing was moved.
        if (files == 1)
            File.Delete(path);
    }
}
