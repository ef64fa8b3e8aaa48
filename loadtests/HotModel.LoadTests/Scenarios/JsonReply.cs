using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace HotModel.LoadTests.Scenarios;

/// <summary>An answer that comes as one JSON text.</summary>
internal static class JsonReply
{
    private const int ShownChars = 500;

    /// <summary>Reads it to its end.</summary>
    /// <param name="response">Of which the headers are in.</param>
    /// <param name="problem">What is wrong with the JSON of an answer with status 200; null: nothing.</param>
    /// <param name="cancellation">Closes the connection.</param>
    public static async Task<Outcome> ReadAsync(
        HttpResponseMessage response, Func<JsonElement, string?> problem, CancellationToken cancellation)
    {
        byte[] body = await response.Content.ReadAsByteArrayAsync(cancellation);
        var outcome = new Outcome(StatusOf(response), body.Length, null);
        if (!response.IsSuccessStatusCode)
        {
            bool isTold = response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable;
            return outcome with
            {
                Failure = Describe(response, body),
                Kind = isTold ? FailureKind.Told : FailureKind.Wrong,
            };
        }
        try
        {
            using var json = JsonDocument.Parse(body);
            return outcome with { Failure = problem(json.RootElement) };
        }
        catch (JsonException)
        {
            return outcome with { Failure = $"no JSON: {Shown(body)}" };
        }
    }

    public static string StatusOf(HttpResponseMessage response) =>
        ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture);

    /// <summary>An answer whose status says that it failed.</summary>
    public static string Describe(HttpResponseMessage response, ReadOnlySpan<byte> body) =>
        $"{response.RequestMessage?.RequestUri?.AbsolutePath}: {StatusOf(response)} {Shown(body)}";

    public static string Shown(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes).Trim();
        return text.Length <= ShownChars ? text : text[..ShownChars] + "…";
    }
}
