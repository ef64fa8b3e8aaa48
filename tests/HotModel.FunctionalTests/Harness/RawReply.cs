using System.Net.Http.Headers;
using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As it was sent.</param>
/// <param name="Body">Every byte, a stream's too.</param>
/// <param name="Headers">The other headers.</param>
internal sealed record RawReply(int Status, string? ContentType, byte[] Body, HttpResponseHeaders Headers)
{
    public string Text => Encoding.UTF8.GetString(Body);
    public string? Model => Headers.TryGetValues("X-HotModel-Model", out var values) ? values.Single() : null;
    /// <summary>One character for each byte, so that nothing that is no UTF-8 gets lost in a comparison.</summary>
    public string Comparable => Normalised.Of(Encoding.Latin1.GetString(Body));

    public static async Task<RawReply> ReadAsync(HttpResponseMessage response) => new(
        (int)response.StatusCode,
        response.Content.Headers.TryGetValues("Content-Type", out var types) ? types.Single() : null,
        await response.Content.ReadAsByteArrayAsync(),
        response.Headers);
}
