using System.Text;

namespace HotModel.Tests.Api;

/// <summary>The end of a stream that is not whole.</summary>
internal static class ErrorEvent
{
    /// <summary>
    /// What comes up to and with the event that says that the answer is not whole, as a client reads that leaves on it; all
    /// where there is none.
    /// </summary>
    public static async Task<string> ReadToAsync(HttpResponseMessage response)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        return await ReadToAsync(reader);
    }

    public static async Task<string> ReadToAsync(StreamReader reader)
    {
        var text = new StringBuilder();
        bool isError = false;
        while (await reader.ReadLineAsync() is { } line)
        {
            text.Append(line).Append('\n');
            isError |= line.StartsWith("data: {\"error\":", StringComparison.Ordinal)
                || line.StartsWith("data: {\"type\":\"error\"", StringComparison.Ordinal);
            if (isError && line.Length == 0)
                break;
        }
        return text.ToString();
    }
}
