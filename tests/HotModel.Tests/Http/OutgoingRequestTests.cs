using System.Text;
using HotModel.Http;

namespace HotModel.Tests.Http;

public class OutgoingRequestTests
{
    private static readonly Uri Address = new("http://[::1]:8080/base/");

    [Fact]
    public void Head_has_what_was_given_and_no_more()
    {
        var request = new OutgoingRequest("POST", "v1/x?y=%20")
        {
            ApiKey = "key",
            Accept = "text/event-stream",
            Body = ["{}"u8.ToArray(), "12345678"u8.ToArray()],
        };

        Assert.Equal("POST /base/v1/x?y=%20 HTTP/1.1\r\nHost: [::1]:8080\r\nAuthorization: Bearer key\r\n"
            + "Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n", Write(request));
        Assert.Equal("GET /base/ HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", Write(new("GET", "")));
        Assert.EndsWith("\r\nContent-Length: 0\r\n\r\n", Write(new("POST", "x")));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a\r\nX: y")]
    [InlineData("caf\u00e9")]
    public void Path_that_is_not_escaped_is_refused(string path) =>
        Assert.Throws<ArgumentException>(() => Write(new("GET", path)));

    [Theory]
    [InlineData("a\r\nX: y")]
    [InlineData("a\nb")]
    [InlineData("a\0")]
    public void Header_that_would_end_its_line_is_refused(string value)
    {
        Assert.Throws<ArgumentException>(() => Write(new("GET", "x") { Accept = value }));
        Assert.Throws<ArgumentException>(() => Write(new("GET", "x") { ApiKey = value }));
    }

    private static string Write(OutgoingRequest request) => Encoding.UTF8.GetString(request.WriteHead(Address));
}
