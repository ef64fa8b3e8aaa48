using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A multipart/form-data body, byte by byte the same each time.</summary>
internal sealed class Multipart
{
    private const string Boundary = "--a boundary (of: tests)--";

    private readonly MemoryStream body = new();

    public static string Type => $"multipart/form-data; boundary=\"{Boundary}\"";

    public Multipart Field(string name, string value) =>
        Part($"Content-Disposition: form-data; name=\"{name}\"\r\n", Encoding.UTF8.GetBytes(value));

    public Multipart File(string fileName, byte[] content) => Part(
        $"Content-Disposition: form-data; name=\"file\"; filename=\"{fileName}\"\r\nContent-Type: audio/wav\r\n", content);

    public byte[] Bytes() => [.. body.ToArray(), .. Encoding.ASCII.GetBytes($"--{Boundary}--\r\n")];

    private Multipart Part(string head, byte[] content)
    {
        body.Write(Encoding.UTF8.GetBytes($"--{Boundary}\r\n{head}\r\n"));
        body.Write(content);
        body.Write("\r\n"u8);
        return this;
    }
}
